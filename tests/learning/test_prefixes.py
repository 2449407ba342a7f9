"""What sequences begin with alike is read once, and changes neither losses nor gradients."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import tiny

from nesyc_runtime.learning.batches import IGNORED, Layout, StepBatch, step_batch
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.losses import token_loss
from nesyc_runtime.learning.prefixes import LEAST, prefix_tree, sequences, units
from nesyc_runtime.learning.segments import attend_in_segments

SYSTEM, QUESTION, OTHER = tuple(range(40, 58)), tuple(range(60, 80)), tuple(range(80, 99))
ROWS = [
    EncodedRow("direct", (*SYSTEM, *QUESTION, 5, 6, 7, 8, 2), 40, "a"),
    EncodedRow("answer", (*SYSTEM, *QUESTION, 9, 10, 2), 39, "a"),
    EncodedRow("augmented", (*SYSTEM, *QUESTION, 33, 34, 35, 36, 20, 21, 2), 42, "a"),
    EncodedRow("direct", (*SYSTEM, *OTHER, 5, 9, 8, 2), 39, "b"),
    EncodedRow("answer", (*SYSTEM, *OTHER, 9, 10, 2), 39, "b"),
    EncodedRow("direct", (1, 2, 3, 4), 2, "c"),
    EncodedRow("answer", (*SYSTEM, *QUESTION), len(SYSTEM), "d"),
    EncodedRow(
        "direct", (*SYSTEM, *QUESTION, 5, 6, 7, 9, 2), 40, "e"
    ),  # the prompt of the first, another response
]
WEIGHTS = {"direct": 1.0, "answer": 0.3, "augmented": 2.0}
CUTS = [Layout(True, tokens) for tokens in (1, 60, 100, 150, 10_000)]


def step(rows: list[EncodedRow], layout: Layout) -> StepBatch:
    return step_batch(rows, WEIGHTS, 0, layout)


def loss_and_gradient(model: Any, micro_batches: list[Any]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    total = 0.0
    for micro in micro_batches:
        loss = token_loss(model, micro)
        loss.backward()
        total += loss.item()
    return total, torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("layout", CUTS, ids=lambda layout: str(layout.micro_tokens))
def test_losses_and_gradients_are_those_of_the_sequences_one_by_one(layout: Layout) -> None:
    model = tiny(seed=1).model.double()
    expected, slope = loss_and_gradient(model, step(ROWS, Layout(False, 1)).micro_batches)
    attend_in_segments(model)
    found, other = loss_and_gradient(model, step(ROWS, layout).micro_batches)
    assert found == pytest.approx(expected, rel=1e-6)
    assert torch.allclose(slope, other, rtol=1e-5, atol=1e-7)
    dealt = [step_batch(ROWS, WEIGHTS, 0, layout, (process, 2)).micro_batches for process in range(2)]
    assert len(dealt[0]) == len(dealt[1])
    found, other = loss_and_gradient(model, [micro for hand in dealt for micro in hand])
    assert found == pytest.approx(expected, rel=1e-6)
    assert torch.allclose(slope, other, rtol=1e-5, atol=1e-7)


def test_the_question_of_an_item_is_read_once() -> None:
    whole = step(ROWS[:3], Layout(True, 10_000))
    (micro,) = whole.micro_batches
    assert micro.ids.numel() == len(SYSTEM) + len(QUESTION) + 5 + 3 + 7, "and what is each row's own"
    assert whole.tokens == sum(len(row.ids) for row in ROWS[:3])
    pieces = step(ROWS, Layout(True, 60)).micro_batches
    assert [
        row.item for micro in pieces for row in micro.rows if "a" in {one.item for one in micro.rows}
    ] == list("aaa")
    assert all(micro.ids.numel() <= 60 for micro in pieces)


def test_an_item_that_is_too_long_is_cut() -> None:
    assert [[row.training_task for row in unit.rows] for unit in units(ROWS[:3], 46)] == [
        ["answer", "direct"],
        ["augmented"],
    ]
    assert [len(unit.rows) for unit in units(ROWS[:3], 1)] == [1, 1, 1]
    assert [len(unit.rows) for unit in units([*ROWS[:3], *ROWS[3:5]], 1000)] == [3, 2]
    nameless = [EncodedRow("direct", (*SYSTEM, 5, 2), 19)] * 2
    assert [len(unit.rows) for unit in units(nameless, 1000)] == [1, 1]


def test_a_short_question_is_shared_behind_a_system_prompt_too() -> None:
    """Else a pack, which splits the system prompt off, would read more than its items apart, and more than was planned."""
    rows = [
        EncodedRow("direct", (*SYSTEM, *(100 + item,) * 6, task, 5, 2), len(SYSTEM) + 7, f"i{item}")
        for item in range(6)
        for task in range(3)
    ]
    assert prefix_tree(rows).tokens == len(SYSTEM) + 6 * (6 + 3 * 3)
    assert sum(unit.tokens for unit in units(rows, 1000)) == 6 * (len(SYSTEM) + 6 + 3 * 3)
    strangers = [EncodedRow("direct", (*SYSTEM, *(7,) * 8, task, 2), 27, f"x{task}") for task in range(2)]
    assert prefix_tree([*rows, *strangers]).tokens == prefix_tree(rows).tokens + 2 * 10


TOKENS = st.integers(0, 1)
PROMPTS = st.lists(TOKENS, min_size=1, max_size=3 * LEAST).map(tuple)


@st.composite
def some_rows(draw: st.DrawFn) -> list[EncodedRow]:
    """Rows whose prompts go on from one another's beginnings, here and there."""
    rows: list[EncodedRow] = []
    for _ in range(draw(st.integers(1, 8))):
        prompt = draw(PROMPTS)
        if rows and draw(st.booleans()):
            known = draw(st.sampled_from(rows)).ids[:]
            prompt = (*known[: draw(st.integers(0, len(known)))], *prompt)
        response = tuple(draw(st.lists(TOKENS, min_size=1, max_size=3)))
        rows.append(EncodedRow("direct", (*prompt, *response), len(prompt), draw(st.sampled_from("abc"))))
    return rows


@given(some_rows())
def test_a_tree_holds_every_sequence_whole(rows: list[EncodedRow]) -> None:
    tree = prefix_tree(rows)
    assert Counter(row.item for row in tree.rows) == Counter(row.item for row in rows)
    assert tree.tokens <= sum(len(row.ids) for row in rows)
    for most in (1, 60, 10_000):
        together = units(sorted(rows, key=lambda row: row.item), most)
        for some in (together, together[:2]):
            apart = sum(unit.tokens for unit in some)
            assert prefix_tree([row for unit in some for row in unit.rows]).tokens <= apart, (
                "no more than was planned"
            )
    for segment in tree.segments:
        before = tree.segments[segment.after] if segment.after is not None else None
        assert segment.position == (before.position + before.length if before is not None else 0)
    (micro,) = step(rows, Layout(True, 10_000)).micro_batches
    labelled = []
    for (row, _, places), parts in zip(micro.places, sequences(micro.segments or ()), strict=True):
        assert micro.ids[0, places].tolist() == list(row.ids)
        learned = places[row.prompt_length - 1 : -1]
        assert set(learned.tolist()) <= set(parts[-1]), "labels stand in what is the row's own"
        assert micro.labels[0, learned].tolist() == list(row.ids[row.prompt_length :])
        labelled += learned.tolist()
    assert labelled == torch.nonzero(micro.labels[0] != IGNORED).flatten().tolist(), (
        "in the order of the rows"
    )
