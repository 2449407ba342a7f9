"""A workspace finds what a check from the start finds, whatever was edited before."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.checks import rule_table
from nesyc.diagnostics import render_text, to_json
from nesyc.workspace import Workspace, check_spec
from tests.fuzz import FUZZ
from tests.workspace.edits import SMALL_KB, edited

HERE = Path(__file__).parents[1]
KINSHIP = HERE / "samples" / "kinship" / "kinship.nesy"
FIXTURES = sorted((HERE / "checks" / "fixtures").glob("*.nesy"))


def check(workspace: Workspace, unsaved: dict[Path, str]) -> None:
    found, whole = workspace.check(unsaved), check_spec(workspace.spec, unsaved=unsaved)
    assert found.diagnostics == whole.diagnostics
    assert found.texts == whole.loaded.texts == whole.texts
    assert found.loaded.files == whole.loaded.files
    assert (found.spec is None) == (whole.spec is None)


@pytest.mark.fuzz
@pytest.mark.parametrize("spec", [KINSHIP, *FIXTURES], ids=lambda spec: spec.stem)
@given(seed=st.integers(0, 2**32))
@settings(max_examples=50 if FUZZ else 3, deadline=None)
def test_the_same_diagnostics_after_any_edits(spec: Path, seed: int) -> None:
    choose = random.Random(seed)
    sources = [path for path in (spec, KINSHIP.parent / "rules" / "learned.nesy") if path.exists()]
    unsaved: dict[Path, str] = {}
    workspace = Workspace(spec)
    workspace.check()
    for _ in range(5):
        path = choose.choice(sources) if spec == KINSHIP else spec
        unsaved = {**unsaved, path: edited(unsaved.get(path, path.read_text()), choose)}
        check(workspace, unsaved)


@pytest.mark.fuzz
@given(seed=st.integers(0, 2**32))
@settings(max_examples=400 if FUZZ else 15, deadline=None)
def test_the_same_diagnostics_after_many_edits(seed: int) -> None:
    choose = random.Random(seed)
    spec = Path("/nowhere/small.nesy")
    text, workspace = SMALL_KB, Workspace(spec)
    for _ in range(30):
        text = edited(text, choose)
        check(workspace, {spec: text})
        if choose.random() < 0.3:
            text = SMALL_KB


def test_only_the_edited_rule_is_analysed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "small.nesy"
    workspace = Workspace(spec)
    workspace.check({spec: SMALL_KB})
    analysed: list[str] = []
    plain = rule_table.analyse_rule

    def spy(scope: object, rule: object, text_of: object) -> object:
        analysed.append(rule.name.text)  # type: ignore[attr-defined]
        return plain(scope, rule, text_of)  # type: ignore[arg-type]

    monkeypatch.setattr(rule_table, "analyse_rule", spy)
    text = SMALL_KB.replace("b != c", "b != a")
    check_again = workspace.check({spec: text})
    assert analysed == ["base", "step", "alone"]  # the rule and its neighbours, which are read again
    assert check_again.diagnostics == ()
    analysed.clear()
    workspace.check({spec: text.replace("derived r(a: text)", "derived r(a: int)")})
    assert set(analysed) == {"base", "step", "alone", "loop"}  # a relation says something else now


def test_places_move_with_the_text(tmp_path: Path) -> None:
    spec = tmp_path / "small.nesy"
    workspace = Workspace(spec)
    broken = SMALL_KB.replace("rule alone: r(a)", "rule alone: r(b)")
    first = workspace.check({spec: broken})
    longer = broken.replace("  rule base", "\n\n  # two lines more\n  rule base")
    second = workspace.check({spec: longer})
    assert [one.code for one in first.diagnostics] == [one.code for one in second.diagnostics] != []
    assert second.diagnostics[0].span.start > first.diagnostics[0].span.start
    whole = check_spec(spec, unsaved={spec: longer})
    assert render_text(second.diagnostics, second.loaded.sources) == render_text(
        whole.diagnostics, whole.loaded.sources
    )
    assert to_json(second.diagnostics, second.loaded.sources)["errors"] == 1


def test_an_allowed_warning_stays_allowed_further_down(tmp_path: Path) -> None:
    spec = tmp_path / "small.nesy"
    text = SMALL_KB.replace("  facts p", '  allow(W0401, "tried")\n  facts p').replace(
        "p(a, _)", "p(a, once)"
    )
    workspace = Workspace(spec)
    check(workspace, {spec: text})
    longer = text.replace("  rule step", f"  # {'-' * 600}\n  rule step")
    check(workspace, {spec: longer})
    assert workspace.check({spec: longer}).diagnostics == ()


def test_a_fact_file_that_changed_is_read_again(tmp_path: Path) -> None:
    spec, rows = tmp_path / "spec.nesy", tmp_path / "p.csv"
    spec.write_text('nesy 1\nkb k {\n  relation p(a: int) { key (a) }\n  facts p from csv("p.csv")\n}\n')
    rows.write_text("a\n1\n")
    workspace = Workspace(spec)
    assert workspace.check().diagnostics == ()
    rows.write_text("a\nx\n")
    assert [one.code for one in workspace.check().diagnostics] == ["E0302"]


def test_an_included_file_that_changed_is_read_again(tmp_path: Path) -> None:
    spec, more = tmp_path / "spec.nesy", tmp_path / "more.nesy"
    spec.write_text('nesy 1\nkb k {\n  relation p(a: int)\n  include "more.nesy"\n}\n')
    more.write_text("nesy 1\nfragment of k\nfacts p { (1) }\n")
    workspace = Workspace(spec)
    assert workspace.check().diagnostics == ()
    more.write_text("nesy 1\nfragment of k\nfacts p { (1) (true) }\n")
    assert [one.code for one in workspace.check().diagnostics] == ["E0302"]
    more.unlink()
    assert [one.code for one in workspace.check().diagnostics] == ["E0205"]
