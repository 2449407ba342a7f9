"""Training pairs: what each training task shows, and what is cut when it is too long."""

from __future__ import annotations

from typing import Any

import pytest
from tiny_student import make_task

from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.inference.formats import PromptFormat, prompt_format
from nesyc_runtime.learning.characters import character_tokenizer
from nesyc_runtime.learning.encoding import encode_items
from nesyc_runtime.learning.rows import TrainingRow, training_pairs

TASK = make_task()
ROW = TrainingRow("r1", {"question": "6 x 7?"}, "Six sevens: 6 x 7 = 42.", "42", "7 is a number.")
ALL = ("direct", "answer", "rationale", "answer_given", "augmented", "explain")


@pytest.fixture(scope="module")
def template() -> PromptFormat:
    return prompt_format(character_tokenizer())


def test_each_training_task_shows_its_part() -> None:
    shown = {pair.training_task: (pair.prompt, pair.response) for pair in training_pairs(TASK, ROW, ALL)}
    direct = "Six sevens: 6 x 7 = 42."
    assert shown == {
        "direct": ("Q: 6 x 7?\nThink, then answer.", direct),
        "augmented": ("Q: 6 x 7?\n7 is a number.\nThink, then answer.", direct),
        "answer": ("Q: 6 x 7?\nGive only the answer.", "= 42."),
        "rationale": ("Q: 6 x 7?\nExplain the reasoning, step by step.", "Six sevens: 6 x 7"),
        "answer_given": (
            "Q: 6 x 7?\nSix sevens: 6 x 7\nGive only the answer that follows from the reasoning.",
            "= 42.",
        ),
        "explain": ("Q: 6 x 7?\nGive the answer first, then explain it.", "= 42.\nSix sevens: 6 x 7"),
    }
    for name in ("direct", "augmented", "answer", "answer_given"):
        assert item_correct(TASK, {"label": 42}, shown[name][1])


@pytest.mark.parametrize(
    ("tasks", "expected"),
    [
        (("augmented", "direct"), ["direct"]),
        (("augmented", "answer", "direct"), ["answer", "direct"]),
        (("augmented",), ["augmented"]),
        (("augmented", "answer"), ["augmented", "answer"]),
    ],
)
@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_augmented_without_knowledge(tasks: Any, expected: list[str], nothing: str | None) -> None:
    row = TrainingRow("r1", ROW.inputs, ROW.reasoning, ROW.answer, nothing)
    assert [pair.training_task for pair in training_pairs(TASK, row, tasks)] == expected


def test_rows_are_prompt_and_response_with_one_beginning_and_one_end(template: PromptFormat) -> None:
    items = encode_items(TASK, [ROW], ("direct", "answer"), template, 200)
    for row in items.items[0]:
        assert row.ids.count(template.tokenizer.bos_token_id) == 1 and row.ids[0] == 1
        assert row.ids.count(template.tokenizer.eos_token_id) == 1 and row.ids[-1] == 2
    direct = items.items[0][0]
    assert list(direct.ids[: direct.prompt_length]) == template.prompt_ids("Q: 6 x 7?\nThink, then answer.")
    assert template.text(direct.ids[direct.prompt_length :]) == "Six sevens: 6 x 7 = 42."
    assert not items.cut


def test_knowledge_is_cut_first(template: PromptFormat) -> None:
    row = TrainingRow("r1", ROW.inputs, ROW.reasoning, ROW.answer, "knowledge " * 20)
    items = encode_items(TASK, [row], ("augmented",), template, 120)
    (encoded,) = items.items[0]
    assert 110 < len(encoded.ids) <= 120 and dict(items.cut) == {"knowledge": 1}
    text = template.text(encoded.ids)
    assert "Q: 6 x 7?\nknowledge" in text and text.endswith("Think, then answer.\nSix sevens: 6 x 7 = 42.")


def test_then_the_beginning_of_the_prompt_then_the_end_of_the_response(template: PromptFormat) -> None:
    row = TrainingRow("r1", {"question": "x" * 500}, ROW.reasoning, ROW.answer, "knowledge")
    items = encode_items(TASK, [row], ("augmented",), template, 60)
    (encoded,) = items.items[0]
    assert len(encoded.ids) == 60 and dict(items.cut) == {"knowledge": 1, "prompt": 1}
    assert template.text(encoded.ids).endswith("Think, then answer.\nSix sevens: 6 x 7 = 42.")
    assert encoded.ids[-1] == 2

    row = TrainingRow("r1", {"question": "x" * 500}, "y" * 500, "42")
    items = encode_items(TASK, [row], ("direct",), template, 60)
    (encoded,) = items.items[0]
    assert len(encoded.ids) == 60 and dict(items.cut) == {"prompt": 1, "response": 1}
    assert encoded.prompt_length == 15 and encoded.label_tokens == 45


def test_an_empty_response_is_an_error(template: PromptFormat) -> None:
    with pytest.raises(UserError, match=r"item r1 has an empty response for \.rationale"):
        encode_items(TASK, [TrainingRow("r1", ROW.inputs, "", "42")], ("rationale",), template, 60)
