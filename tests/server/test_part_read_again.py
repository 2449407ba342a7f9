"""After an edit of a part, what needs no places of the whole spec is answered without parsing it."""

from __future__ import annotations

from pathlib import Path

from lsprotocol import types

from nesyc.server import completion, outline
from nesyc.server.session import Session
from nesyc.server.view import View

KINSHIP = Path(__file__).parents[1] / "samples" / "kinship" / "kinship.nesy"


def view_of(session: Session) -> View:
    view = session.view(KINSHIP, session.documents.snapshot())
    assert view is not None
    return view


def opened(text: str) -> Session:
    session = Session()
    session.documents.open(KINSHIP.as_uri(), 1, text)
    view_of(session)
    return session


def test_outline_and_completion_follow_an_edit_without_a_whole_parse() -> None:
    text = KINSHIP.read_text()
    edited = text.replace("  rule sib:", "  rule more: sibling(a, b) :- sibling(b, a);\n\n  rule sib:")
    session = opened(text)
    session.documents.change(KINSHIP.as_uri(), 2, [types.TextDocumentContentChangeWholeDocument(text=edited)])
    view, fresh = view_of(session), view_of(opened(edited))
    assert view.known.loaded.edited and not fresh.known.loaded.edited
    assert outline.document_symbols(view) == outline.document_symbols(fresh)
    line = edited[: edited.index("sibling(b, a)")].count("\n")
    position = types.Position(line, edited.splitlines()[line].index("sibling(b, a)") + 3)
    assert completion.completion(view, position, True) == completion.completion(fresh, position, True)
    assert "tables" not in vars(view.analysis.checked)
