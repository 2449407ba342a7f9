"""Hover, navigation, outline, colours, formatting: asked by a real client."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException

from nesyc.server.tokens import TYPES
from tests.server.client import Editor, editor, uri

Shared = tuple[Editor, str, Path]


def test_hover_shows_declarations_types_and_sql(shared: Shared) -> None:
    one, name, _ = shared
    rule = one.hover(name, "rule ki|n_chain")
    assert "rule kin_chain 0.92:" in rule and 'CROSS JOIN "parent.rows"' in rule and "```sql" in rule
    assert "derived by `kin_base`, `kin_chain`, `uncle_1`, `aunt_7`" in one.hover(name, "derived ki|n(")
    assert "r1: Kin" in one.hover(name, "kin(a, b, r|1)")
    assert "constant of enum `Kin`" in one.hover(name, '"bob", .fat|her')
    assert "worth `25.0` here" in one.hover(name, "max_usd = bud|get")
    assert "gives model" in one.hover(name, "evaluate main of distil.fin|al")
    assert "`keep`" in one.hover(name, "n = 4, ke|ep")
    assert "must be given" in one.hover(name, "stage cot     = sam|ple(")
    assert one.hover(name, "expect error E04|02").startswith("**E0402** ")
    assert one.hover(name, "# language edi|tion") == ""


def test_hover_of_a_learned_rule_that_is_only_proposed(shared: Shared) -> None:
    one, _, folder = shared
    fragment = one.open(folder / "rules" / "learned.nesy")
    assert "not accepted yet" in one.hover(fragment, "rule aun|t_7")
    one.close(fragment)


def test_definition_and_references_over_files(shared: Shared) -> None:
    one, name, _ = shared
    assert one.definition(name, "r2), com|pose(") == ["kinship.nesy:53 compose"]
    found = one.references(name, "derived sib|ling(")
    assert [place for place in found if place.startswith("learned.nesy")] == [
        "learned.nesy:6 sibling", "learned.nesy:10 sibling",
    ]  # fmt: skip
    assert one.definition(name, 'include "rules/lear|ned') == ["learned.nesy:1 "]
    assert one.definition(name, "is the {re|l} of") == ["kinship.nesy:55 rel"]
    assert one.definition(name, "# language edi|tion") == []


def test_highlights_stay_in_the_file(shared: Shared) -> None:
    one, name, _ = shared
    found = one.run(
        one.client.text_document_document_highlight_async(
            types.DocumentHighlightParams(
                types.TextDocumentIdentifier(name), one.at(name, "derived sib|ling(")
            )
        )
    )
    assert [one.read(name, place.range) for place in found] == ["sibling"] * 5
    assert found[0].kind == types.DocumentHighlightKind.Write


def test_rename_over_files_and_back(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        fragment = uri(kinship / "rules" / "learned.nesy")
        changes = one.rename(name, "relation par|ent(", "elder")
        assert set(changes) == {name, fragment}
        text = one.apply(name, changes[name])
        assert "parent" not in text.replace("self_parent", "").replace("parent: text", "").replace(
            "(child, parent)", ""
        ).replace("index (parent)", "")
        learned = one.open(kinship / "rules" / "learned.nesy")
        after = one.apply(learned, changes[fragment])
        one.replace(name, one.texts[name], text)
        one.replace(learned, one.texts[learned], after)
        assert one.problems(name) == [] and one.problems(learned) == []


def test_rename_of_constants_fields_variables_and_soft_keywords(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        story = one.apply(name, one.rename(name, "input  (sto|ry", "tale")[name])
        assert "row (id: text key, tale: text" in story and "{tale}" in story and "concat(tale," in story
        assert 'prompt(tale = "S"' in story and "story" not in story.replace("Story:", "")
        variable = one.rename(name, "sibling(a, b) :- parent(a, p|, _)", "key")
        assert "sibling(a, b) :- parent(a, key, _), parent(b, key, _), a != b;" in one.apply(
            name, variable[name]
        )
        assert len(variable[name]) == 2
        constant = one.rename(name, "enum Kin { father mother s|on", ".boy")
        assert "mother boy daughter" in one.apply(name, constant[name])


@pytest.mark.parametrize(
    ("cursor", "new", "why"),
    [
        ("relation par|ent(", "1st", "is no name"),
        ("relation par|ent(", "not", "reserved word"),
        ("relation par|ent(", "person", "there is a relation `person` already"),
        ("relation par|ent(", "contains", "test of the language"),
        ("sibling(a, b) :- parent(a, p|, _)", "b", "there is a variable `b` already"),
        ("enum Kin { fat|her", "dad", "would be an error"),
    ],
)
def test_rename_refuses(shared: Shared, cursor: str, new: str, why: str) -> None:
    one, name, _ = shared
    with pytest.raises(JsonRpcException, match=why):
        one.rename(name, cursor, new)


def test_prepare_rename(shared: Shared) -> None:
    one, name, _ = shared

    def prepare(around: str) -> object:
        place = one.at(name, around)
        return one.run(
            one.client.text_document_prepare_rename_async(
                types.PrepareRenameParams(types.TextDocumentIdentifier(name), place)
            )
        )

    found = prepare('"bob", .fat|her)')
    assert isinstance(found, types.PrepareRenamePlaceholder)
    assert (found.placeholder, one.read(name, found.range)) == ("father", "father")
    assert prepare("sem|antics = top") is None
    assert prepare("# language edi|tion") is None


def test_outline(shared: Shared) -> None:
    one, name, _ = shared
    found = one.run(
        one.client.text_document_document_symbol_async(
            types.DocumentSymbolParams(types.TextDocumentIdentifier(name))
        )
    )
    top = [symbol.name for symbol in found]
    assert top[:4] == ["budget", "Kin", "big", "small"] and "answer parser" in top
    family = next(symbol for symbol in found if symbol.name == "family")
    below = [child.name for child in family.children]
    assert below[:3] == ["person", "parent", "compose"] and "kin_chain" in below
    for symbol in (*found, *family.children):
        assert symbol.range.start <= symbol.selection_range.start
        assert symbol.selection_range.end <= symbol.range.end


def test_workspace_symbols_of_all_specs(shared: Shared) -> None:
    one, _, folder = shared
    (folder / "other.nesy").write_text("nesy 1\nenum Colour { red green }\n", encoding="utf-8")
    found = one.run(one.client.workspace_symbol_async(types.WorkspaceSymbolParams("clr")))
    assert "Colour" in [symbol.name for symbol in found]
    found = one.run(one.client.workspace_symbol_async(types.WorkspaceSymbolParams("kinchain")))
    assert [symbol.name for symbol in found] == ["kin_chain"]
    (folder / "other.nesy").unlink()


def test_folding(shared: Shared) -> None:
    one, name, _ = shared
    found = one.run(
        one.client.text_document_folding_range_async(
            types.FoldingRangeParams(types.TextDocumentIdentifier(name))
        )
    )
    lines = one.texts[name].split("\n")
    folded = {lines[fold.start_line].strip() for fold in found}
    assert {"kb family {", "task kinship on clutrr {", 'prompt = """'} <= folded
    for fold in found:
        assert fold.end_line > fold.start_line


def test_colours_know_names_from_keywords(shared: Shared) -> None:
    one, name, _ = shared
    found = one.run(
        one.client.text_document_semantic_tokens_full_async(
            types.SemanticTokensParams(types.TextDocumentIdentifier(name))
        )
    )
    lines = one.texts[name].split("\n")
    line = character = 0
    seen = {}
    for place in range(0, len(found.data), 5):
        down, right, size, kind, _ = found.data[place : place + 5]
        line, character = line + down, right if down else character + right
        seen[lines[line][character : character + size], line + 1] = TYPES[kind]
    assert seen["test", 25] == "event"  # a split, though `test` is a keyword
    assert (
        seen["parent", 72] == "class" and seen["c", 72] == "variable" and seen["father", 68] == "enumMember"
    )
    part = types.Range(types.Position(70, 0), types.Position(72, 0))
    some = one.run(
        one.client.text_document_semantic_tokens_range_async(
            types.SemanticTokensRangeParams(types.TextDocumentIdentifier(name), part)
        )
    )
    assert 0 < len(some.data) < len(found.data)


def test_formatting(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        one.replace(name, "forbid self_parent:   parent(a, a, _);", "forbid self_parent:parent( a,a ,_ ) ;")
        options = types.FormattingOptions(2, True)
        edits = one.run(
            one.client.text_document_formatting_async(
                types.DocumentFormattingParams(types.TextDocumentIdentifier(name), options)
            )
        )
        text = one.apply(name, edits)
        assert "parent(a, a, _);" in text
        one.replace(name, one.texts[name], text)
        again = one.run(
            one.client.text_document_formatting_async(
                types.DocumentFormattingParams(types.TextDocumentIdentifier(name), options)
            )
        )
        assert not again


def test_signature_help(shared: Shared) -> None:
    one, name, _ = shared

    def help_(around: str) -> tuple[str, int | None]:
        found = one.run(
            one.client.text_document_signature_help_async(
                types.SignatureHelpParams(types.TextDocumentIdentifier(name), one.at(name, around))
            )
        )
        return (found.signatures[0].label, found.active_parameter) if found is not None else ("", None)

    assert help_("kin(a, b, r1), parent(b, |c, r2)") == ("parent(child: text, parent: text, role: Kin)", 1)
    assert help_('("bob", |"carl"') == ("parent(child: text, parent: text, role: Kin)", 1)
    label, active = help_("sample(teacher = big, data = clutrr.tr|ain")
    assert label.startswith("sample(teacher: a teacher, data: a split") and active == 1
    assert help_("only_child(a) :- |person(a)") == ("", None)
