"""Diagnostics as text: the form of the language's description, and terminals left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.diagnostics import Diagnostic, Help, Related, SourceMap, Span, render_one, render_text
from nesyc.diagnostics.shown import width

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "diagnostics"
KINSHIP = (Path(__file__).resolve().parent.parent / "samples/kinship/kinship.nesy").read_text(
    encoding="utf-8"
)


def span(text: str, part: str, file: str = "a.nesy", nth: int = 0) -> Span:
    start = -1
    for _ in range(nth + 1):
        start = text.index(part, start + 1)
    return Span(file, start, start + len(part))


def test_the_example_of_the_language_description() -> None:
    line = KINSHIP.index("given rule bad")
    head = KINSHIP.index("(a)", line) + 1
    negated = KINSHIP.index("sibling(a", line) + len("sibling(")
    found = Diagnostic(
        "E0402",
        "variable `a` appears only under `not`",
        Span("kinship.nesy", head, head + 1),
        "needed here",
        (Related(Span("kinship.nesy", negated, negated + 1), "says what `a` is not", cause=True),),
        ("a negated literal cannot produce values",),
        Help("bind it first:  only_child(a) :- person(a), not sibling(a, _);"),
    )
    expected = """\
error[E0402]: variable `a` appears only under `not`
  ┌─ kinship.nesy:124:30
124 │   given rule bad: only_child(a) :- not sibling(a, _);
    │                              -                 ^ says what `a` is not
    │                              needed here
  = note: a negated literal cannot produce values
  = help: bind it first:  only_child(a) :- person(a), not sibling(a, _);
"""
    assert render_one(found, SourceMap({"kinship.nesy": KINSHIP})) == expected


TEXT = 'nesy 1\nparam a: int = 1\n\n\n# x\n\n\nparam a: text = "é漢字"\tb\nlast'
OTHER = "nesy 1\nenum Kin { father }\n"


def _cases() -> dict[str, Diagnostic]:
    second = Span("b.nesy", OTHER.index("Kin"), OTHER.index("Kin") + 3)
    first = span(TEXT, "a")
    again = span(TEXT, "a:", nth=1)
    return {
        "one_place": Diagnostic("E0101", "expected `:`", first),
        "warning": Diagnostic("W0401", "variable used once", first, "only here"),
        "two_lines": Diagnostic("E0202", "twice", again, "again", (Related(first, "first"),)),
        "near_lines": Diagnostic(
            "E0202", "twice", span(TEXT, "nesy"), "here", (Related(span(TEXT, "# x"), "there"),)
        ),
        "two_files": Diagnostic("E0303", "no value", again, "here", (Related(second, "declared here"),)),
        "three_on_a_line": Diagnostic(
            "E0101",
            "m",
            span(TEXT, "int"),
            "type",
            (Related(first, "name"), Related(span(TEXT, "1", nth=1), "value")),
        ),
        "wide": Diagnostic(
            "E0101", "wide and tab", span(TEXT, "b"), "after", (Related(span(TEXT, "漢字"), "two"),)
        ),
        "several_lines": Diagnostic("E0102", "long", Span("a.nesy", 7, len(TEXT)), "to the end"),
        "end_of_file": Diagnostic("E0101", "more", Span("a.nesy", len(TEXT), len(TEXT)), "missing"),
        "no_source": Diagnostic("E0205", "no file", Span("none.nesy", 0, 0), "not found"),
        "paragraphs": Diagnostic(
            "E0104", "x", first, notes=("one\ntwo", "three"), help=Help("write:\n  a\n  b")
        ),
    }


@pytest.mark.parametrize("case", _cases())
def test_golden(case: str, golden: Callable[[Path, str], None]) -> None:
    sources = SourceMap({"a.nesy": TEXT, "b.nesy": OTHER})
    golden(GOLDEN / f"{case}.txt", render_one(_cases()[case], sources))


def test_several_stand_apart_and_none_is_empty() -> None:
    sources = SourceMap({"a.nesy": TEXT})
    one = Diagnostic("E0101", "m", Span("a.nesy", 0, 1))
    assert render_text([], sources) == ""
    assert render_text([one, one], sources) == f"{render_one(one, sources)}\n{render_one(one, sources)}"


@given(st.text(max_size=80), st.text(max_size=80), st.integers(0, 170), st.integers(0, 20))
def test_nothing_untrusted_reaches_the_terminal(source: str, words: str, start: int, size: int) -> None:
    place = Span("a\x1b.nesy", min(start, len(source)), min(start + size, len(source)))
    found = Diagnostic("E0101", words, place, words, (Related(place, words),), (words,), Help(words))
    text = render_one(found, SourceMap({"a\x1b.nesy": source}))
    assert all(character == "\n" or character.isprintable() or character in "│┌─" for character in text)
    text.encode("utf-8")


@given(st.text(alphabet="ab\t漢é\u0301\x1b", max_size=30), st.integers(0, 30))
def test_the_mark_stands_under_its_character(source: str, place: int) -> None:
    place = min(place, len(source))
    text = source[:place] + "X" + source[place:]
    found = Diagnostic("E0101", "m", Span("a", place, place + 1))
    _, _, line, mark = render_one(found, SourceMap({"a": text})).rstrip("\n").split("\n")
    assert width(line[: line.index("X")]) == mark.index("^")


@pytest.mark.parametrize("place", [0, 70, 500, 9_000, 19_999])
def test_a_long_line_is_cut_around_the_mark(place: int) -> None:
    text = "".join("X" if n == place else "ab"[n % 2] for n in range(20_000))
    _, _, line, mark = (
        render_one(Diagnostic("E0101", "m", Span("a", place, place + 1)), SourceMap({"a": text}))
        .rstrip("\n")
        .split("\n")
    )
    assert len(line) < 160 and line.index("X") == mark.index("^")
