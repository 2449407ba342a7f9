"""JSON, places, order, near names and the table of codes."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.diagnostics import (
    Diagnostic,
    Edit,
    Help,
    Related,
    SourceMap,
    Span,
    arrange,
    near_names,
    to_json,
)
from nesyc.diagnostics.codes import CODES
from nesyc.parsing import parse_file


def test_json_has_the_keys_of_the_contract() -> None:
    place = Span("a.nesy", 7, 9)
    found = Diagnostic(
        "E0402", "m", place, "l", (Related(place, "r"),), ("n",), Help("h", (Edit(place, "e"),))
    )
    value = to_json([found, Diagnostic("W0401", "w", place)], SourceMap({"a.nesy": "nesy 1\nab\n"}))
    span = {"file": "a.nesy", "line": 2, "col": 1, "end_line": 2, "end_col": 3}
    assert (value["v"], value["ok"], value["errors"], value["warnings"]) == (1, False, 1, 1)
    assert value["diagnostics"][0] == {
        "code": "E0402",
        "severity": "error",
        "message": "m",
        "span": span,
        "label": "l",
        "related": [{"span": span, "message": "r"}],
        "notes": ["n"],
        "help": {"message": "h", "edits": [{"span": span, "text": "e"}]},
    }
    assert value["diagnostics"][1]["severity"] == "warning" and value["diagnostics"][1]["help"] is None
    assert to_json([], SourceMap({}))["ok"] is True
    json.dumps(value)


@given(st.text(alphabet="ab\n\ré漢😀", max_size=40), st.integers(0, 40), st.integers(0, 40))
def test_places_are_those_of_a_line_by_line_count(text: str, start: int, size: int) -> None:
    start, end = min(start, len(text)), min(start + size, len(text))
    place = SourceMap({"a": text}).place(Span("a", start, end))
    before, until = text[:start].split("\n"), text[:end].split("\n")
    assert place == (len(before), len(before[-1]) + 1, len(until), len(until[-1]) + 1)


@given(st.text(alphabet="ab\r\n", max_size=30))
def test_lines_are_those_of_the_text(text: str) -> None:
    sources = SourceMap({"a": text})
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    assert [sources.line("a", number + 1) for number in range(len(lines))] == lines


@pytest.mark.parametrize(
    ("name", "candidates", "expected"),
    [
        ("relaton", ["relation", "derived"], ("relation",)),
        ("teh", ["the", "ten", "tea", "tee", "x"], ("the", "ten", "tea")),
        ("Max_Tokens", ["maxtokens", "max_token"], ("maxtokens", "max_token")),
        ("a", ["b", "c"], ()),
        ("a", ["A"], ("A",)),
        ("xyz", ["abc"], ()),
        ("same", ["same"], ()),
        ("x" * 1000, ["x" * 999], ()),
        ("", ["a"], ()),
    ],
)
def test_near_names(name: str, candidates: list[str], expected: tuple[str, ...]) -> None:
    assert near_names(name, candidates) == expected


def test_order_is_by_file_place_and_code_and_follow_ons_are_hidden() -> None:
    def at(code: str, start: int, file: str = "a") -> Diagnostic:
        return Diagnostic(code, "m", Span(file, start, start + 1))

    mixed = [at("E0101", 9, "b"), at("E0401", 5), at("E0402", 5), at("E0302", 3), at("E0201", 3), at("W0401", 3),
             at("W0402", 7), at("E0101", 1), at("E0101", 1)]  # fmt: skip
    found = [(d.span.file, d.span.start, d.code) for d in arrange(mixed, ["b", "a"])]
    assert found == [
        ("b", 9, "E0101"),
        ("a", 1, "E0101"),
        ("a", 3, "E0201"),
        ("a", 5, "E0402"),
        ("a", 7, "W0402"),
    ]
    assert arrange(reversed(mixed), ["b", "a"]) == arrange(mixed, ["b", "a"])


FIRST_SET = (
    "E0101 E0102 E0103 E0104 E0105 E0201 E0202 E0203 E0204 E0205 E0206 E0207 E0301 E0302 E0303 E0304 E0305 E0306 E0307 "
    "E0308 E0401 E0402 E0403 E0404 E0405 E0406 E0407 E0501 E0502 E0503 E0504 E0505 E0506 E0601 E0602 E0603 E0604 E0605 "
    "E0606 E0701 E0702 E0703 E0704 E0801 E0802 E0803 E0901 W0401 W0402 W0403 W0404 W0405"
).split()


def test_every_code_is_in_the_table_once() -> None:
    assert set(FIRST_SET) <= set(CODES)
    assert all(re.fullmatch(r"[EW]\d{4}", code) and CODES[code].code == code for code in CODES)
    titles = [entry.title for entry in CODES.values()]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize("code", FIRST_SET)
def test_examples_are_nesy_text_and_the_good_one_parses(code: str) -> None:
    entry = CODES[code]
    assert entry.title and entry.why.endswith((".", ";", "`")) and entry.bad != entry.good
    bad, good = ([d.code for d in _parse(text)] for text in (entry.bad, entry.good))
    assert good == []
    assert bad == ([code] if code in ("E0101", "E0102", "E0104") else [])


def _parse(text: str) -> tuple[Diagnostic, ...]:
    return parse_file("a.nesy", text if text.startswith("nesy") else f"nesy 1\n{text}").diagnostics
