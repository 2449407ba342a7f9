"""Whatever the text: no exception, spans inside it, and work that grows with its length only."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.diagnostics import SourceMap, render_text, to_json
from nesyc.format import format_text
from nesyc.parsing import parse_file
from nesyc.parsing.context import Context
from nesyc.parsing.lexer import tokenize
from nesyc.parsing.run import run
from nesyc.parsing.tables import STARTS
from nesyc.syntax.dump import dump
from tests.fuzz import hang_is_failure, rounds
from tests.parsing.conftest import SAMPLE_FILES, SAMPLES
from tests.parsing.generate import SCRAPS, dressed, mutated, programs
from tests.parsing.trees import walk

TEXTS = [(SAMPLES / name).read_text(encoding="utf-8") for name in SAMPLE_FILES]


def _sound(text: str) -> None:
    parsed = parse_file("a.nesy", text)
    for node in walk(parsed.file):
        assert 0 <= node.span.start <= node.span.end <= len(text)
    for found in parsed.diagnostics:
        places = [found.span, *(related.span for related in found.related)]
        assert all(0 <= place.start <= place.end <= len(text) for place in places)
    sources = SourceMap({"a.nesy": text})
    render_text(parsed.diagnostics, sources).encode("utf-8")
    to_json(parsed.diagnostics, sources)
    dump(parsed.file, sources)


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    _sound(text)


@given(st.lists(st.sampled_from(SCRAPS), max_size=60).map("".join))
def test_any_scraps(text: str) -> None:
    _sound(text)


@pytest.mark.fuzz
@rounds(60, 20_000)
@given(mutated(TEXTS))
def test_mutated_samples(text: str) -> None:
    with hang_is_failure():
        _sound(text)


@pytest.mark.fuzz
@rounds(100, 5_000)
@given(dressed(programs()))
def test_programs_made_from_the_grammar_parse(text: str) -> None:
    run("file", tokenize(text), Context("a.nesy"))  # raises where it does not
    _sound(text)


@pytest.mark.fuzz
@pytest.mark.parametrize("start", [start for start in STARTS if start != "file"])
@rounds(10, 500)
@given(st.data())
def test_pieces_made_from_the_grammar_parse(start: str, data: st.DataObject) -> None:
    """What an editor parses on its own: one declaration, one item, one query."""
    run(start, tokenize(data.draw(dressed(programs(start, 40)))), Context("a.nesy"))


HARD = {
    "open": lambda n: "(" * n,
    "close": lambda n: ")" * n,
    "alternating": lambda n: "(}" * n,
    "blocks": lambda n: "kb x {\n" * n,
    "rules": lambda n: "nesy 1 kb x {" + "rule a: " * n,
    "keywords": lambda n: "rule " * n,
    "quotes": lambda n: '"' * n,
    "text blocks": lambda n: '"""\n}\n' * n,
    "open strings": lambda n: '"a\n' * n,
    "escapes": lambda n: 'nesy 1 include "' + "\\q" * n + '"',
    "signs": lambda n: "nesy 1 param x: int = " + "-" * n + "1",
    "sum": lambda n: "nesy 1 param x: int = " + "a + " * n + "1",
    "members": lambda n: "nesy 1 param x: int = a" + ".a" * n,
    "comments": lambda n: "// a\n" * n,
    "bad settings": lambda n: "nesy 1 kb x {\n" + "a : 1\n" * n + "}",
    "bad declarations": lambda n: "nesy 1\n" + "param : \n" * n,
    "annotations": lambda n: "nesy 1 kb x {" + "@a " * n + "}",
    "one long line": lambda n: "nesy 1 enum A {" + " a" * n + " 1 }",
    "nul": lambda n: "\0" * n,
    "chain": lambda n: "nesy 1 param x: int = " + "a + " * n + "1 # c\n",
    "comments in a chain": lambda n: "nesy 1 param x: int = " + "a + # c\n" * n + "1",
    "comments in a list": lambda n: "nesy 1 param x: int = [" + "a # c\n, " * n + "1]",
    "sound rules": lambda n: "nesy 1 kb x {" + "rule a: p(x) :- q(x); # c\n" * (n // 8) + "}",
    "settings": lambda n: "nesy 1 kb x {" + "a = f(1, 2)\n" * (n // 8) + "}",
    "wide enum": lambda n: "nesy 1 enum A {" + " a" * n + " }",
    "facts": lambda n: "nesy 1 kb x { facts p {" + '("a") ' * n + "} ! }",
}


def _calls(text: str) -> int:
    """How many calls, Python's and C's, reading a text, showing what is wrong with it and formatting it takes."""
    calls = 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        found = parse_file("a.nesy", text).diagnostics
        render_text(found, SourceMap({"a.nesy": text}))
        format_text("a.nesy", text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("shape", HARD)
def test_work_grows_with_the_length(shape: str) -> None:
    """Four times the text takes at most five times the calls (quadratic would be sixteen)."""
    make = HARD[shape]
    assert _calls(make(8000)) < 5 * _calls(make(2000)) + 5000


@pytest.mark.parametrize("opener", ["(", "[", "{ a = ", "f(", "not (", "-(", "1 + ("])
def test_deep_nesting_is_a_diagnostic(opener: str) -> None:
    closer = "".join({"(": ")", "[": "]", "{": "}"}[sign] for sign in opener if sign in "([{")
    for depth, sound in ((40, True), (400, False), (20_000, False)):
        text = f"nesy 1\nparam x: int = {opener * depth}1{closer * depth}\nparam y: int\n"
        parsed = parse_file("a.nesy", text)
        assert (parsed.diagnostics == ()) == sound
        dump(parsed.file)  # recursive, as the passes over the tree are
