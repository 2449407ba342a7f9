"""Diagnostics as one types: unsaved texts, every file of the project, cleared when mended, with quick fixes."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsprotocol import types

from nesyc.server.positions import Encoding
from tests.server.client import editor, uri


def test_they_come_and_go_while_typing(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        assert one.problems(name) == []
        one.replace(name, "only_child(a) :- person(a)", "only_child(a) :- persn(a)")
        assert one.problems(name) == ["E0201 persn"]
        found = one.diagnostics[name][0]
        assert found.severity == types.DiagnosticSeverity.Error and found.source == "nesyc"
        assert found.message.startswith("there is no relation named `persn`")
        assert "help: did you mean `person`" in found.message
        one.replace(name, "persn", "person")
        assert one.problems(name) == []


def test_quick_fixes_do_what_the_help_says(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        one.replace(name, "keep = .correct", "keep = .corect")
        one.replace(name, "person(a), not sibling(a, _)", "persn(a), not sibling(a, _)")
        assert one.problems(name) == ["E0201 persn", "E0303 .corect"]
        fix = one.actions(name, "per|sn(a)")["replace by `person`"]
        assert fix.kind == types.CodeActionKind.QuickFix and fix.is_preferred
        assert fix.diagnostics is not None and fix.diagnostics[0].code == "E0201"
        assert fix.edit is not None and fix.edit.changes is not None
        assert "only_child(a) :- person(a)" in one.apply(name, fix.edit.changes[name])
        other = one.actions(name, ".cor|ect")["replace by `.correct`"]
        assert other.edit is not None and other.edit.changes is not None
        assert "keep = .correct)" in one.apply(name, other.edit.changes[name])


def test_a_warning_can_be_allowed(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        fragment = one.open(kinship / "rules" / "learned.nesy")
        one.replace(name, "not sibling(a, _)", "not sibling(a, _), parent(b, _, _)")
        one.replace(fragment, "sibling(b, c), parent(_, c", "sibling(b, c), parent(q, c")
        assert one.problems(name, lambda found: len(found) == 1) == ["W0401 b"]
        assert one.problems(fragment, lambda found: len(found) == 1) == ["W0401 q"]
        for file, cursor, where in ((name, "parent(b|, _", "spec"), (fragment, "parent(q|, c", "file")):
            action = one.actions(file, cursor)[f"allow W0401 in this {where}"]
            assert action.edit is not None and action.edit.changes is not None
            (edit,) = action.edit.changes[file]
            assert edit.new_text == 'allow(W0401, "reason")\n'
            if file == fragment:
                text = one.apply(file, [edit])
                assert text.startswith('nesy 1\nfragment of family\nallow(W0401, "reason")\n')
        (start,) = {edit.range.start.line for edit in action.edit.changes[fragment]}
        assert start == 2
        one.replace(fragment, "fragment of family\n", 'fragment of family\nallow(W0401, "reason")\n')
        assert one.problems(fragment, lambda found: not found) == []
        assert one.problems(name) == ["W0401 b"]


def test_an_error_in_an_included_file_shows_there(kinship: Path) -> None:
    with editor(kinship) as one:
        fragment = one.open(kinship / "rules" / "learned.nesy")
        assert one.problems(fragment) == []
        one.replace(fragment, "kin(a, c, .uncle)", "kin(a, c, .uncel)")
        assert one.problems(fragment) == ["E0303 .uncel"]
        related = one.diagnostics[fragment][0].related_information
        assert related is not None and related[0].location.uri == uri(kinship / "kinship.nesy")


def test_an_unsaved_change_of_one_file_shows_in_another_that_is_not_open(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        one.problems(name)
        fragment = uri(kinship / "rules" / "learned.nesy")
        one.replace(name, "derived sibling(a: text, b: text)", "derived sibling(a: text, b: int)")
        found = one.problems(fragment, lambda found: len(found) > 0)
        assert all(code.startswith("E0302") for code in found)
        one.close(name)
        assert one.problems(fragment, lambda found: not found) == []


def test_files_changed_outside_are_read_again(kinship: Path) -> None:
    with editor(kinship) as one:
        name = one.open(kinship / "kinship.nesy")
        assert one.problems(name) == []
        assert one.log == ["workspace/didChangeWatchedFiles"]
        facts = kinship / "kb" / "compose.csv"
        facts.write_text(facts.read_text(encoding="utf-8").replace("father", "fahter", 1), encoding="utf-8")
        event = types.FileEvent(uri(facts), types.FileChangeType.Changed)
        one.client.workspace_did_change_watched_files(types.DidChangeWatchedFilesParams([event]))
        assert one.problems(name, lambda found: len(found) > 0)[0].startswith("E0303")


@pytest.mark.parametrize(("encoding", "column"), [("utf-16", 9), ("utf-8", 11), ("utf-32", 8)])
def test_columns_count_as_the_client_wants_them(tmp_path: Path, encoding: Encoding, column: int) -> None:
    spec = tmp_path / "a.nesy"
    spec.write_text('nesy 1\nkb k { relation p(a: text)\nfacts p { ("x") }\n("😀"); y\n}\n', encoding="utf-8")
    text = 'nesy 1\nkb k {\n  relation p(a: text)\n  derived q(a: text)\n  rule r: q(x) :- p(x), x != "😀", no(x);\n}\n'
    with editor(tmp_path, encodings=[encoding]) as one:
        assert one.encoding == encoding
        name = one.open(spec, text)
        assert one.problems(name) == ["E0201 no"]
        start = one.diagnostics[name][0].range.start
        line = text.split("\n")[4]
        assert (start.line, start.character) == (4, line.index("no(x)") + column - 8)
        assert one.definition(name, 'x != "😀", no(|x)') == ["a.nesy:5 x"]
