"""What a response says, and answers worded so that they read back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_student import INT, TEXT, make_task, parser

from nesyc_runtime import config
from nesyc_runtime.inference.answers import item_correct, parse_answer, split_response
from nesyc_runtime.inference.lenient import parse_leniently
from nesyc_runtime.inference.wordings import join_response, state_answer

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
        (parser("after_last", "#### ", type_=INT), "16 - 3 = 13\n#### 1,013", 1013),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is -$5.25.", -5.25),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 1 1/2 cups.", 1.5),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is -1 1/2.", -1.5),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 2½ hours", 2.5),
        (parser("after_last", "the answer is", type_=NUMBER), r"the answer is $-\frac{3}{4}$.", -0.75),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 3/0", 3),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is 12 %", 12),
        (parser("after_last", "the answer is", type_=NUMBER), "the answer is \N{MINUS SIGN}7 km/h", -7),
        (parser("after_last", "the answer is", type_=INT), "the answer is 1{,}234", 1234),
        (
            parser("after_last", "the answer is", type_=DATE),
            "the answer is January 31st, 2026.",
            "2026-01-31",
        ),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 31 Jan. 2026", "2026-01-31"),
        (
            parser("after_last", "the answer is", type_=DATE),
            "the answer is the 3rd of May 2026",
            "2026-05-03",
        ),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 01/31/2026.", "2026-01-31"),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 31.01.2026.", "2026-01-31"),
        (parser("after_last", "the answer is", type_=DATE), "the answer is 13/31/2026.", None),
        (parser("after_last", "the answer is", type_=DATE), "the answer is May 5.", None),
        (parser("boxed"), r"first \boxed{1}, so $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (parser("boxed"), r"\boxed{\text{Monday}}", "Monday"),
        (parser("boxed"), r"\boxed{7} or \boxed{8", "7"),
        (parser("boxed", type_=NUMBER), r"\boxed{1 \frac{1}{2}}", 1.5),
        (parser("boxed", type_=NUMBER), r"\fbox {\$1,200}", 1200),
        (parser("boxed"), "no box", None),
        (ANSWER_IS, "\u0130\u0130 the answer is 3.", "3"),
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
    assert parse_answer(task, "a" * 5000 + "b")["answer"] is None
    assert parse_answer(make_task(parser("json_field", "x")), "{" * 100_000)["answer"] is None
    assert parse_answer(make_task(parser("number", type_=INT)), "9" * 1_000_000)["answer"] is None


def test_the_verdict_is_the_first_metric() -> None:
    task = make_task()
    assert item_correct(task, {"label": 42}, "6 x 7 = 42.")
    assert not item_correct(task, {"label": 42}, "6 x 7 = 43.")
    assert not item_correct(task, {"label": 42}, "no idea")
    assert not item_correct(task, {}, "6 x 7 = 42.")
    assert not item_correct(make_task(metrics=()), {"label": 42}, "= 42")


@pytest.mark.parametrize("label", ["U.S.", "Martin Luther King Jr.", "Paris", '"x"', "a.m.", "..."])
def test_an_answer_that_ends_with_a_point_or_stands_in_quotes_is_right(label: str) -> None:
    task = make_task(ANSWER_IS)
    said = join_response("Because.", state_answer(task, label))
    assert split_response(task, said) == "Because."
    for response in (said, f"So the answer is {label}", f"So the answer is {label}\nAnd more."):
        assert item_correct(task, {"label": label}, response)
    assert not item_correct(task, {"label": label}, "So the answer is another.")


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


OPTIONS = {"question": "Which day?\nOptions:\n(A) Monday\n(B) Tuesday\n(C) the day after Tuesday"}


@pytest.mark.parametrize(
    ("read", "response", "expected"),
    [
        (ANSWER_IS, "So the answer is (B).", "(B)"),
        (ANSWER_IS, "It was Monday, so it is (B) now", "(B)"),
        (ANSWER_IS, "It must be Tuesday", "(B)"),
        (ANSWER_IS, "Not Monday; it is the day after Tuesday", "(C)"),
        (ANSWER_IS, "thinking\nno idea\n", "no idea"),
        (ANSWER_IS, "", None),
        (parser("after_last", "####", type_=INT), "the answer is 5 apples", 5),
        (parser("after_last", "####", type_=INT), r"so \boxed{12}", 12),
        (parser("after_last", "####", type_=INT), "first 3, then 4.", 4),
        (parser("after_last", "####", type_=INT), "first 3\n#### 9\nor 4", 9),
        (parser("after_last", "the answer is", type_=BOOL), "True and False is False", False),
        (parser("after_last", "the answer is", type_=DATE), "it was May 3, 2026", "2026-05-03"),
        (RELATION, "She is a great aunt, I think", "great_aunt"),
        (RELATION, "She is a cousin", None),
    ],
)
def test_what_a_response_may_have_meant(read: config.Parser, response: str, expected: Any) -> None:
    assert parse_leniently(make_task(read), response, OPTIONS)["answer"] == expected


@given(st.text(max_size=200))
def test_a_lenient_value_is_the_strict_one_where_there_is_one(response: str) -> None:
    for read in (ANSWER_IS, RELATION, parser("number", type_=NUMBER), parser("boxed")):
        task = make_task(read)
        strict = parse_answer(task, response)["answer"]
        meant = parse_leniently(task, response, OPTIONS)["answer"]
        assert strict is None or meant == strict
