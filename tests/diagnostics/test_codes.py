"""The table of codes: every example is run, every code is reported somewhere and written down once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nesyc.diagnostics.codes import CODES, WORLD, Code
from nesyc.pipeline import check_spec

ROOT = Path(__file__).resolve().parents[2]
LISTED = """
E0101 E0102 E0103 E0104 E0105 E0201 E0202 E0203 E0204 E0205 E0206 E0207 E0301 E0302 E0303 E0304 E0305 E0306 E0307 E0308
E0401 E0402 E0403 E0404 E0405 E0406 E0407 E0501 E0502 E0503 E0504 E0505 E0506 E0601 E0602 E0603 E0604 E0605 E0606
E0701 E0702 E0703 E0704 E0801 E0802 E0803 E0901 W0401 W0402 W0403 W0404 W0405 W0406
""".split()


def spec_text(code: Code, example: str) -> str:
    """The whole text of an example; an edition that it shows itself is not written twice."""
    head = "" if example.startswith("nesy ") else "nesy 1\n"
    return f"{head}{WORLD if code.world else ''}{example}\n"


def found_in(code: Code, example: str, folder: Path) -> set[str]:
    for name, text in code.files.items():
        (folder / name).write_text(text, encoding="utf-8")
    spec = folder / "spec.nesy"
    spec.write_text(spec_text(code, example), encoding="utf-8")
    return {problem.code for problem in check_spec(spec).diagnostics}


def test_the_list_of_the_language_is_there() -> None:
    assert set(LISTED) <= CODES.keys()


@pytest.mark.parametrize("code", CODES.values(), ids=CODES.keys())
def test_the_bad_example_has_exactly_its_code(code: Code, tmp_path: Path) -> None:
    assert found_in(code, code.bad, tmp_path) == ({code.code} if code.found_by == "check" else set())


@pytest.mark.parametrize("code", CODES.values(), ids=CODES.keys())
def test_the_good_example_is_clean(code: Code, tmp_path: Path) -> None:
    assert found_in(code, code.good, tmp_path) == set()


@pytest.mark.parametrize("code", CODES.values(), ids=CODES.keys())
def test_a_code_says_what_it_means(code: Code) -> None:
    assert re.fullmatch(r"[EW]0[1-9]\d\d", code.code)
    assert code.title == code.title.strip(". ") and len(code.title) <= 80
    assert code.why.endswith(".") and len(code.why) > 40
    assert code.bad != code.good


@pytest.mark.parametrize("code", [code.code for code in CODES.values() if code.found_by == "check"])
def test_each_code_of_the_compiler_has_a_fixture(code: str) -> None:
    fixtures = ROOT / "tests" / "checks" / "fixtures"
    assert any(f"# error: {code}" in path.read_text(encoding="utf-8") for path in fixtures.glob("*.nesy"))


# Codes that a command other than `check` reports, and no test of it yet: why.
WAIVED = {}


@pytest.mark.parametrize("code", [code.code for code in CODES.values() if code.found_by != "check"])
def test_each_code_of_a_run_is_tested_there(code: str) -> None:
    tests = (path for path in (ROOT / "tests").rglob("test_*.py") if path.parent.name != "diagnostics")
    found = any(code in path.read_text(encoding="utf-8") for path in tests)
    assert found != (code in WAIVED), "a waiver goes once there is a test"
