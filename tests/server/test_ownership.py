"""Which spec a file belongs to: itself, or those that include it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesyc.server.specs import Ownership
from tests.server.client import editor, uri

FRAGMENT = "nesy 1\n# a comment\nfragment of k\nrule r: q(a) :- p(a);\n"
MAIN = 'nesy 1\nkb k {{\n  relation p(a: text)\n  derived q(a: text)\n  include "{}"\n}}\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "nesyc.yaml").write_text("spec: b.nesy\n", encoding="utf-8")
    (tmp_path / "a.nesy").write_text(MAIN.format("rules/r.nesy"), encoding="utf-8")
    (tmp_path / "b.nesy").write_text(MAIN.format("rules/r.nesy"), encoding="utf-8")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "r.nesy").write_text(FRAGMENT, encoding="utf-8")
    (tmp_path / "rules" / "lost.nesy").write_text(FRAGMENT, encoding="utf-8")
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "c.nesy").write_text(MAIN.format("../rules/lost.nesy"), encoding="utf-8")
    return tmp_path


def names(found: tuple[Path, ...]) -> list[str]:
    return [path.name for path in found]


def test_specs_of_a_file(project: Path) -> None:
    owners = Ownership()
    assert names(owners.specs_of(project / "a.nesy", {})) == ["a.nesy"]
    assert names(owners.specs_of(project / "rules" / "r.nesy", {})) == ["b.nesy", "a.nesy"]
    assert names(owners.specs_of(project / "rules" / "lost.nesy", {})) == ["lost.nesy"]
    assert names(owners.specs_in(project, {})) == ["a.nesy", "b.nesy"]
    assert names(owners.specs_of(project / "nesyc.yaml", {})) == ["a.nesy", "b.nesy"]


def test_unsaved_texts_decide(project: Path) -> None:
    owners = Ownership()
    lost = project / "rules" / "lost.nesy"
    unsaved = {project / "a.nesy": MAIN.format("rules/lost.nesy")}
    assert names(owners.specs_of(lost, unsaved)) == ["a.nesy"]
    assert names(owners.specs_of(project / "rules" / "r.nesy", unsaved)) == ["b.nesy"]
    assert names(owners.specs_of(lost, {})) == ["lost.nesy"]


def test_files_that_include_each_other(project: Path) -> None:
    (project / "a.nesy").write_text('nesy 1\ninclude "b.nesy"\n', encoding="utf-8")
    (project / "b.nesy").write_text('nesy 1\ninclude "a.nesy"\n', encoding="utf-8")
    assert names(Ownership().specs_of(project / "a.nesy", {})) == ["a.nesy"]


def test_changes_on_disk_are_seen(project: Path) -> None:
    owners = Ownership()
    fragment = project / "rules" / "r.nesy"
    assert len(owners.specs_of(fragment, {})) == 2
    (project / "a.nesy").write_text("nesy 1\n", encoding="utf-8")
    assert names(owners.specs_of(fragment, {})) == ["b.nesy"]


def test_several_folders_and_several_specs(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "nesyc.yaml").write_text("", encoding="utf-8")
    (other / "z.nesy").write_text("nesy 1\nenum Zed { one two }\n", encoding="utf-8")
    with editor(project, other) as one:
        fragment = one.open(project / "rules" / "r.nesy")
        zed = one.open(other / "z.nesy")
        assert one.problems(fragment) == [] and one.problems(zed) == []
        one.replace(fragment, "p(a);", "nope(a);")
        assert one.problems(fragment) == ["E0201 nope"]  # once, though two specs say so
        one.replace(zed, "two", "one")
        assert one.problems(zed) == ["E0202 one"]
        assert one.definition(fragment, "rule r: q|(a)") == ["b.nesy:4 q"]


def test_a_name_in_a_shared_file_is_renamed_in_every_spec(project: Path) -> None:
    with editor(project) as one:
        main, fragment = one.open(project / "b.nesy"), uri(project / "rules" / "r.nesy")
        changes = one.rename(main, "relation p|(", "base")
        assert set(changes) == {main, uri(project / "a.nesy"), fragment}
        assert [len(edits) for edits in changes.values()] == [1, 1, 1]
        assert {place.partition(":")[0] for place in one.references(main, "relation p|(")} == {
            "a.nesy", "b.nesy", "r.nesy",
        }  # fmt: skip


def test_a_text_without_a_file(tmp_path: Path) -> None:
    with editor(tmp_path) as one:
        name = one.open_text(
            "untitled:Untitled-1", "nesy 1\nkb k { derived q(a: text) rule r: q(a) :- p(a); }\n"
        )
        assert one.problems(name) == ["E0201 p"]
        assert one.definition(name, "rule r: q|(a)") == ["untitled:Untitled-1:2 q"]
