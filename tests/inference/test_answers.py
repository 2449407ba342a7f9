"""What a response says, and answers worded so that they read back."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_student import INT, TEXT, make_task, parser

from nesyc_runtime import config
from nesyc_runtime.inference.answers import (
    item_correct,
    join_response,
    parse_answer,
    split_response,
    state_answer,
)

NUMBER = config.Type(base="number")
BOOL = config.Type(base="bool")
DATE = config.Type(base="date")
KIN = config.Type(base="enum", enum="Kin")
KINS = ("father", "aunt", "great_aunt")
ANSWER_IS = parser("after_last", "the answer is")
RELATION = parser("last_match", r"(?i)answer:\s*(\w+)", type_=KIN, constants=KINS)


@pytest.mark.parametrize(
    ("read", "response", "expected"),
    [
        (ANSWER_IS, "So the answer is 3.5.", "3.5"),
        (ANSWER_IS, "The answer is no. Wait, the answer is (B).", "(B)"),
        (ANSWER_IS, "the answer is\n  yes.\nQ: next", "yes"),
        (ANSWER_IS, "the answer is **42**.", "42"),
        (ANSWER_IS, "I do not know", None),
        (ANSWER_IS, "the answer is", None),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 3.5.", 3.5),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is $1,234.50.", 1234.5),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 3/4 of it", 0.75),
        (parser("after_last", "the answer is", type_=INT), "the answer is 42 grams", 42),
        (parser("after_last", "the answer is", type_=INT), "the answer is 7.0.", 7),
        (parser("after_last", "the answer is", type_=INT), "the answer is 7.5.", None),
        (parser("after_last", "the answer is", type_=BOOL), "The answer is Yes.", True),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 2026-01-31.", "2026-01-31"),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 2026-02-31.", None),
        (parser("last_match", r"####\s*(-?[\d,]+)", type_=INT), "#### 1\nno\n#### -1,000", -1000),
        (parser("first_match", r"####\s*(\d+)", type_=INT), "#### 1\nno\n#### 2", 1),
        (RELATION, "he is her father. Answer: AUNT.", "aunt"),
        (RELATION, "answer: uncle", None),
        (parser("number", type_=NUMBER), "3 boxes of 4 make 12.", 12),
        (parser("number", type_=NUMBER), "it costs $3.50.", 3.5),
        (parser("number", type_=INT), "none at all", None),
        (parser("choice"), "(A) is wrong, so (B).", "B"),
        (parser("choice"), "I choose C.", "C"),
        (parser("choice", type_=KIN, constants=KINS), "Not her father, her Great Aunt!", "great_aunt"),
        (parser("json_field", "x", type_=INT), '{"x": 1} then {"x": 2, "y": {"x": 5}}', 5),
        (parser("json_field", "x"), 'so {"x": "a \\"b\\""}', 'a "b"'),
        (parser("rest"), "  all of it.\n", "all of it"),
    ],
)
def test_reads_an_answer(read: config.Parser, response: str, expected: Any) -> None:
    found = parse_answer(make_task(read), response)["answer"]
    assert found == expected
    assert type(found) is type(expected)


def test_reasoning_is_what_stands_before_the_match() -> None:
    task = make_task(ANSWER_IS)
    response = "First.\nThe answer is 1? No.\nTherefore, the answer is 2."
    assert parse_answer(task, response)["reasoning"] == "First.\nThe answer is 1? No.\nTherefore,"
    assert split_response(task, "no answer here") == "no answer here"


@pytest.mark.parametrize(
    ("read", "value", "statement"),
    [
        (RELATION, "aunt", "answer: aunt"),
        (ANSWER_IS, "3.5", "the answer is 3.5."),
        (ANSWER_IS, "So the answer is 7.", "So the answer is 7."),
        (parser("last_match", r"(?i)(?:final )?answer\s+is\s+\(([A-F])\)"), "B", "answer is (B)"),
        (parser("last_match", r"####\s*(-?\d+)", type_=INT), "-12", "#### -12"),
        (parser("json_field", "x"), "a", '{"x": "a"}'),
        (parser("number", type_=INT), "42", "42"),
        (parser("choice"), "B", "(B)"),
        (parser("rest"), "anything", "anything"),
    ],
)
def test_states_an_answer_that_reads_back(read: config.Parser, value: str, statement: str) -> None:
    task = make_task(read)
    assert state_answer(task, value) == statement
    assert parse_answer(task, statement)["answer"] is not None


@settings(deadline=None)
@given(st.text(), st.sampled_from([ANSWER_IS, RELATION, parser("choice"), parser("json_field", "x")]))
def test_no_response_raises(response: str, read: config.Parser) -> None:
    values = parse_answer(make_task(read), response)
    assert set(values) == {"reasoning", "answer"}


@settings(deadline=None)
@given(st.integers(-(10**9), 10**9), st.text(st.characters(exclude_characters="=")))
def test_a_joined_response_splits_again(value: int, reasoning: str) -> None:
    task = make_task()
    response = join_response(reasoning.strip(), state_answer(task, str(value)))
    assert parse_answer(task, response) == {"reasoning": reasoning.strip(), "answer": value}


def test_an_evil_pattern_and_a_huge_response_end_soon() -> None:
    task = make_task(parser("last_match", r"(a+)+$"))
    started = time.monotonic()
    assert parse_answer(task, "a" * 5000 + "b")["answer"] is None
    assert parse_answer(make_task(parser("json_field", "x")), "{" * 100_000)["answer"] is None
    assert parse_answer(make_task(parser("number", type_=INT)), "9" * 1_000_000)["answer"] is None
    assert time.monotonic() - started < 20


def test_the_verdict_is_the_first_metric() -> None:
    task = make_task()
    assert item_correct(task, {"label": 42}, "6 x 7 = 42.")
    assert not item_correct(task, {"label": 42}, "6 x 7 = 43.")
    assert not item_correct(task, {"label": 42}, "no idea")
    assert not item_correct(task, {}, "6 x 7 = 42.")
    assert not item_correct(make_task(metrics=()), {"label": 42}, "= 42")


def test_every_recorded_codex_answer_is_read_as_its_authors_read_it(data_folder: Path) -> None:
    """`exact_match` in the records: the text after the last "the answer is", less its final point, is the target."""
    task = make_task(ANSWER_IS)
    lines = (data_folder / "teacher" / "bbh_codex_cot.jsonl").read_text(encoding="utf-8").strip().split("\n")
    records = [json.loads(line) for line in lines]
    wrong = []
    for record in records:
        right = parse_answer(task, record["rationale"])["answer"] == record["target"]
        if right != bool(record["exact_match"]):
            wrong.append((record["task"], record["index"], record["rationale"][-80:], record["target"]))
    assert not wrong
    assert len(records) == 4365


def test_enum_constants_may_be_unknown() -> None:
    task = make_task(parser("last_match", r"answer: (\w+)", type_=KIN))
    assert parse_answer(task, "answer: Aunt")["answer"] == "aunt"


def test_text_output_without_parser_is_the_whole_response() -> None:
    task = make_task(parsers=(), outputs=(config.Field(name="answer", type=TEXT),))
    assert parse_answer(task, " hello. ") == {"answer": "hello"}
