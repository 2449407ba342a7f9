"""Prompts: templates with their holes filled."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import make_task

from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.templates import value_text

TASK = make_task()


def test_the_retrieved_line_vanishes_when_empty() -> None:
    assert render_prompt(TASK, {"question": "1 + 1"}) == "Q: 1 + 1\nThink, then answer."
    assert render_prompt(TASK, {"question": "1 + 1"}, "  \n") == "Q: 1 + 1\nThink, then answer."
    assert render_prompt(TASK, {"question": "1 + 1"}, "a\nb") == "Q: 1 + 1\na\nb\nThink, then answer."


@given(st.text(), st.text())
def test_values_are_put_in_once(question: str, knowledge: str) -> None:
    task = make_task(prompt="[{question}]{retrieved}.")
    shown = render_prompt(task, {"question": question}, knowledge)
    assert shown == (f"[{question}]{knowledge.strip()}." if knowledge.strip() else "")


def test_a_brace_in_a_value_stays() -> None:
    assert render_prompt(TASK, {"question": "{retrieved} {question}"}).startswith(
        "Q: {retrieved} {question}\n"
    )


@pytest.mark.parametrize(
    ("variant", "last"),
    [
        ("", "Think, then answer."),
        ("direct", "Think, then answer."),
        ("augmented", "Think, then answer."),
        ("answer", "Give only the answer."),
        ("rationale", "Explain the reasoning, step by step."),
        ("explain", "Give the answer first, then explain it."),
    ],
)
def test_each_training_task_has_its_instruction(variant: str, last: str) -> None:
    assert render_prompt(TASK, {"question": "x"}, variant=variant) == f"Q: x\n{last}"


def test_the_reasoning_stands_before_the_instruction_of_answer_given() -> None:
    shown = render_prompt(TASK, {"question": "x"}, variant="answer_given", reasoning="Because.")
    assert shown == "Q: x\nBecause.\nGive only the answer that follows from the reasoning."


def test_a_prompt_of_its_own_wins() -> None:
    task = make_task(prompts={"": "{question}\nThink.", "answer": "Now: {question}"})
    assert render_prompt(task, {"question": "x"}, variant="answer") == "Now: x"


def test_a_last_line_with_a_hole_is_no_instruction() -> None:
    task = make_task(prompt="Think.\n{question}")
    assert render_prompt(task, {"question": "x"}, variant="answer") == "Think.\nx\nGive only the answer."


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), ("a", "a"), (3, "3"), (3.0, "3"), (2.5, "2.5"), (True, "true"), (["ä"], '["ä"]')],
)
def test_values_as_text(value: object, text: str) -> None:
    assert value_text(value) == text
