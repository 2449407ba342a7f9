"""Whatever is typed, the server answers, and says in its log where it could not."""

from __future__ import annotations

import random
from pathlib import Path

from lsprotocol import types

from nesyc.server.kb_info import NoKbInfo
from nesyc.server.session import Session
from tests.server.client import editor

PIECES = (
    "{",
    "}",
    "(",
    ")",
    '"',
    '"""',
    ";",
    ":-",
    " rule ",
    "\r",
    "\n",
    "é😀",
    "#",
    "@",
    ".",
    "\x00",
    "\u2028",
    " include ",
)


def test_no_text_breaks_the_server(kinship: Path) -> None:
    """Cuts, doublings and strange characters, with every question asked in between; the log stays empty."""
    chance = random.Random(7)
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        document = types.TextDocumentIdentifier(name)
        for _ in range(25):
            text = one.texts[name]
            start = chance.randrange(len(text) or 1)
            end = min(len(text), start + chance.choice((0, 1, 5, 40, 400)))
            new = text[:start] + chance.choice((*PIECES, text[start:end] * 2)) + text[end:]
            one.write(name, new)
            place = one.position(name, chance.randrange(len(new) or 1))
            at = {"text_document": document, "position": place}
            client = one.client
            one.run(client.text_document_completion_async(types.CompletionParams(**at)))
            one.run(client.text_document_signature_help_async(types.SignatureHelpParams(**at)))
            one.run(client.text_document_hover_async(types.HoverParams(**at)))
            one.run(client.text_document_definition_async(types.DefinitionParams(**at)))
            one.run(client.text_document_prepare_rename_async(types.PrepareRenameParams(**at)))
            one.run(client.text_document_document_symbol_async(types.DocumentSymbolParams(document)))
            one.run(client.text_document_folding_range_async(types.FoldingRangeParams(document)))
            one.run(client.text_document_semantic_tokens_full_async(types.SemanticTokensParams(document)))
            whole = types.Range(types.Position(0, 0), types.Position(10**6, 0))
            context = types.CodeActionContext([])
            one.run(client.text_document_code_action_async(types.CodeActionParams(document, whole, context)))
        one.problems(name)


def test_a_bug_in_one_answer_is_logged_and_the_server_goes_on(kinship: Path) -> None:
    broken = "import nesyc.server.hover as h; h.hover = None"
    with editor(kinship, before=broken, log_may_hold="a request failed") as one:
        name = one.open(kinship / "kinship.nesy")
        assert one.hover(name, "rule ki|n_chain") == ""
        assert one.definition(name, "r2), com|pose(") == ["kinship.nesy:53 compose"]


def test_a_file_that_cannot_be_read_has_no_view(tmp_path: Path) -> None:
    (tmp_path / "a.nesy").write_bytes(b"\xff\xfe")
    session = Session(NoKbInfo())
    view = session.view(tmp_path / "a.nesy", {})
    assert view is None
    assert session.view(tmp_path / "missing.nesy", {}) is None
