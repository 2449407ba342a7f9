"""The style itself: what the samples and an untidy file become, and what each rule of docs/style.md says."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from nesyc.format import format_text
from tests.conftest import ROOT
from tests.format.same import assert_kept
from tests.parsing.conftest import SAMPLE_FILES, SAMPLES

GOLDEN = ROOT / "tests" / "golden" / "format"
UNTIDY = Path(__file__).with_name("untidy.nesy")


def fmt(text: str) -> str:
    formatted = format_text("a.nesy", text)
    assert formatted.text is not None, formatted.diagnostics
    assert_kept(text)
    return formatted.text


@pytest.mark.parametrize(
    "path", [UNTIDY, *(SAMPLES / name for name in SAMPLE_FILES)], ids=lambda path: path.name
)
def test_files(path: Path, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / path.name, fmt(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", sorted((ROOT / "specs").rglob("*.nesy")), ids=lambda path: path.name)
def test_specs_that_ship_are_formatted(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert fmt(text) == text


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("", ""),
        ("\n\n", ""),
        ("# only this", "# only this\n"),
        ("nesy 1\n\n\n\nparam a:int\n\n\n", "nesy 1\n\nparam a: int\n"),
        ("teacher t {\n\n  a = 1\n\n\n  b = 2\n\n}", "teacher t {\n  a = 1\n\n  b = 2\n}\n"),
        ("teacher t {\n}", "teacher t {}\n"),
        ("teacher t { # c\n}", "teacher t {  # c\n}\n"),
        ("teacher t {\n# c\n}", "teacher t {\n  # c\n}\n"),
        ("param a: int = f( x , )", "param a: int = f(x)\n"),
        ("param a: int = (x,)", "param a: int = (x,)\n"),
        ("param a: int = (x, y,)", "param a: int = (x, y)\n"),
        ("param a: int = f( # c\nx)", "param a: int = f(  # c\n  x,\n)\n"),
        ("param a: int = - x * - 1 - -2", "param a: int = -x * - 1 - -2\n"),
        (
            "param a: int = f(x # c\n)",
            "param a: int = f(\n  x,  # c\n)\n",
        ),
    ],
)
def test_small_things(written: str, meant: str) -> None:
    assert (
        re.sub(r"(?<=\S) +#", "  #", fmt(written)) == meant
    )  # where comments stand is another test's business


def test_a_block_written_on_one_line_stays_there_while_it_fits() -> None:
    one = 'embedder mini { base = hf("a"), dim = 384 }\n'
    assert fmt(one) == one
    several = 'embedder mini {\n  base = hf("a")\n  dim  = 384\n}\n'
    assert fmt(several) == several
    assert fmt(f'embedder mini {{ base = hf("{"a" * 70}"), dim = 384 }}').count("\n") == 4


def test_line_ends_and_byte_order_mark_stay() -> None:
    windows = 'nesy 1\r\n\r\nparam a: text = """\r\n  x\r\n  """\r\n'
    assert fmt(windows) == windows
    assert fmt("\ufeffnesy   1\n") == "\ufeffnesy 1\n"


def test_comments_line_up_in_a_run_that_is_wider() -> None:
    text = fmt(f'teacher t {{\n  a = "{"x" * 50}" # one\n  b = 2 # two\n\n  c = 3 # three\n}}')
    places = [line.index("#") for line in text.splitlines() if "#" in line]
    assert places == [60, 60, 46]


def test_a_long_name_does_not_push_its_neighbours() -> None:
    long = "a" * 40
    assert fmt(f"teacher t {{\n  {long} = 1\n  b = 2\n  ccc = 3\n}}") == (
        f"teacher t {{\n  {long} = 1\n  b   = 2\n  ccc = 3\n}}\n"
    )


@pytest.mark.parametrize("text", ["kb {", "nesy 2\nparam a: int", "param a = ", "'x'", "param a: int = &&"])
def test_what_does_not_parse_is_left_alone(text: str) -> None:
    formatted = format_text("a.nesy", text)
    assert formatted.text is None
    assert any(found.severity == "error" for found in formatted.diagnostics)


def test_mistakes_beyond_syntax_do_not_hinder() -> None:
    assert fmt('param a: int = "\\q"\nkb k { rule r: p(x) :- nosuch(x), n = cuont(b: q(b)); }').endswith(
        "}\n"
    )
