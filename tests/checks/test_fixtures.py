"""Every code the checks report: the fixtures say in comments (`# error: E0402`) what stands on which line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nesyc.pipeline import check_spec
from nesyc.workspace import Checked

FIXTURES = Path(__file__).parent / "fixtures"
SPECS = sorted(FIXTURES.glob("*.nesy"))
EXPECTED = re.compile(r"# error: ([EW]\d{4})")


def expected_of(path: Path) -> list[tuple[str, int]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return sorted((code, number) for number, line in enumerate(lines, 1) for code in EXPECTED.findall(line))


def found_in(checked: Checked, file: str) -> list[tuple[str, int]]:
    sources = checked.loaded.sources
    assert all(problem.span.file.endswith(file) for problem in checked.diagnostics)
    return sorted((problem.code, sources.place(problem.span).line) for problem in checked.diagnostics)


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_fixture_reports_exactly_what_its_comments_say(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    checked = check_spec(path)
    assert found_in(checked, path.name) == expected_of(path)
    assert (checked.spec is None) == any(problem.severity == "error" for problem in checked.diagnostics)


@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_every_help_edit_lies_in_a_source(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FIXTURES)
    checked = check_spec(path)
    for problem in checked.diagnostics:
        spans = [problem.span, *(related.span for related in problem.related)]
        spans += [edit.span for edit in problem.help.edits] if problem.help else []
        for span in spans:
            assert 0 <= span.start <= span.end <= len(checked.loaded.texts[span.file])


def test_a_code_in_a_fixture_name_is_reported_there() -> None:
    for path in SPECS:
        if re.match(r"[EW]\d{4}_", path.name):
            assert path.name[:5] in {code for code, _ in expected_of(path)}, path.name


def test_ten_mistakes_give_ten_codes() -> None:
    codes = [code for code, _ in expected_of(FIXTURES / "ten_mistakes.nesy")]
    assert len(codes) == len(set(codes)) == 10
