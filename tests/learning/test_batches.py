"""Steps as data: order, micro-batches, and a loss that is exact however the rows are cut."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import tiny

from nesyc_runtime.learning.batches import (
    IGNORED,
    SPLIT_WASTE,
    Layout,
    Steps,
    micro_batch_plan,
    pack_plan,
    step_batch,
)
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.losses import token_loss
from nesyc_runtime.learning.segments import attend_in_segments

ROWS = [
    EncodedRow("direct", (1, 50, 51, 52, 60, 61, 2), 4),
    EncodedRow("direct", (1, 53, 62, 2), 2),
    EncodedRow("answer", (1, 50, 51, 52, 53, 54, 55, 63, 2), 7),
    EncodedRow("answer", (1, 54, 64, 65, 66, 67, 2), 2),
    EncodedRow("augmented", (1, *range(40, 90), 68, 2), 51),
]
WEIGHTS = {"direct": 1.0, "answer": 0.3, "augmented": 2.0}


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny(seed=1).model.double()


def oracle(model: Any, rows: list[EncodedRow], weights: dict[str, float]) -> float:
    """The definition, row by row in float64: sum of weight * mean over the task's response tokens."""
    losses: dict[str, list[float]] = {}
    for row in rows:
        with torch.no_grad():
            logits = model(torch.tensor([row.ids])).logits[0].log_softmax(-1)
        for place in range(row.prompt_length, len(row.ids)):
            losses.setdefault(row.training_task, []).append(-float(logits[place - 1, row.ids[place]]))
    return sum(weights[task] * sum(values) / len(values) for task, values in losses.items())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("micro_tokens", [1, 12, 60, 10_000])
def test_the_loss_is_exact_however_a_step_is_cut(model: Any, micro_tokens: int, packed: bool) -> None:
    attend_in_segments(model)
    step = step_batch(ROWS, WEIGHTS, 0, Layout(packed, micro_tokens))
    with torch.no_grad():
        loss = sum(float(token_loss(model, micro)) for micro in step.micro_batches)
    assert loss == pytest.approx(oracle(model, ROWS, WEIGHTS), rel=1e-6)
    assert step.tokens == sum(len(row.ids) for row in ROWS)
    assert step.label_tokens == sum(row.label_tokens for row in ROWS)


def test_gradients_are_the_same_however_a_step_is_cut(model: Any) -> None:
    attend_in_segments(model)

    def gradient(layout: Layout) -> torch.Tensor:
        model.zero_grad()
        for micro in step_batch(ROWS, WEIGHTS, 0, layout).micro_batches:
            token_loss(model, micro).backward()
        return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])

    alone = gradient(Layout(micro_tokens=1))
    for layout in (Layout(False, 10_000), Layout(True, 60), Layout(True, 10_000)):
        assert torch.allclose(alone, gradient(layout), rtol=1e-5, atol=1e-8)


def test_prompts_and_padding_have_no_gradient(model: Any) -> None:
    (micro,) = step_batch(ROWS, WEIGHTS, 0, Layout(micro_tokens=10_000)).micro_batches
    vocabulary = len(tiny().tokenizer)
    logits = torch.zeros(*micro.ids.shape, vocabulary, requires_grad=True)

    class Fixed:
        """A causal model whose states are its logits."""

        config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(vocab_size=vocabulary))

        def base_model(self, **_: Any) -> Any:
            return SimpleNamespace(last_hidden_state=logits)

        def get_output_embeddings(self) -> Any:
            return torch.nn.Identity()

    token_loss(Fixed(), micro).backward()
    assert logits.grad is not None
    touched = logits.grad.abs().sum(-1) > 0  # (rows, length)
    expected = torch.zeros_like(touched)
    by_length = sorted(ROWS, key=lambda row: -len(row.ids))
    for r, row in enumerate(by_length):
        expected[r, row.prompt_length - 1 : len(row.ids) - 1] = True
    assert torch.equal(touched, expected)


def test_what_the_padding_holds_does_not_matter(model: Any) -> None:
    (micro,) = step_batch(ROWS, WEIGHTS, 0, Layout(micro_tokens=10_000)).micro_batches
    (other,) = step_batch(ROWS, WEIGHTS, 77, Layout(micro_tokens=10_000)).micro_batches
    assert not torch.equal(micro.ids, other.ids)
    with torch.no_grad():
        assert float(token_loss(model, micro)) == pytest.approx(float(token_loss(model, other)), rel=1e-12)


def test_labels_are_the_next_ids() -> None:
    (micro,) = step_batch(ROWS[:1], WEIGHTS, 0, Layout(micro_tokens=100)).micro_batches
    assert micro.labels.tolist() == [[IGNORED, IGNORED, IGNORED, 60, 61, 2, IGNORED]]
    assert micro.weights.sum().item() == pytest.approx(1.0)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=80), st.integers(1, 3000))
def test_a_plan_holds_every_row_once_within_bounds(lengths: list[int], micro_tokens: int) -> None:
    plan = micro_batch_plan(lengths, micro_tokens)
    assert sorted(index for piece in plan for index in piece) == list(range(len(lengths)))
    for piece in plan:
        longest = max(lengths[index] for index in piece)
        assert len(piece) == 1 or longest * len(piece) <= micro_tokens
        assert sum(longest - lengths[index] for index in piece) <= SPLIT_WASTE


@given(st.lists(st.integers(1, 400), min_size=1, max_size=80), st.integers(1, 3000))
def test_packs_hold_every_row_once_within_bounds(lengths: list[int], micro_tokens: int) -> None:
    packs = pack_plan(lengths, micro_tokens)
    assert sorted(index for pack in packs for index in pack) == list(range(len(lengths)))
    sizes = [sum(lengths[index] for index in pack) for pack in packs]
    assert all(size <= micro_tokens or len(pack) == 1 for size, pack in zip(sizes, packs, strict=True))
    if sum(lengths) <= micro_tokens:
        assert len(packs) == 1


def make_steps(count: int = 10, **more: Any) -> Steps:
    items = [(EncodedRow("direct", (1, 40 + number, 2), 1),) for number in range(count)]
    settings: dict[str, Any] = {"batch": 4, "epochs": 2.0, "pad_id": 0, "seed": 0, "micro_tokens": 100}
    return Steps(items, task_weights={"direct": 1.0}, **{**settings, **more})


def seen(steps: Steps) -> list[int]:
    return [int(i) for step in steps.loader() for micro in step.micro_batches for i in micro.ids[:, 1] - 40]


def test_every_epoch_sees_every_item_once_in_an_order_of_its_own() -> None:
    steps = make_steps()
    assert len(steps) == 2 * math.ceil(10 / 4)
    order = seen(steps)
    first, second = order[:10], order[10:]
    assert sorted(first) == sorted(second) == list(range(10))
    assert first != second
    assert seen(make_steps()) == order != seen(make_steps(seed=1))


def test_a_step_does_not_depend_on_those_before_it() -> None:
    steps = make_steps()
    backwards = [steps[i].micro_batches[0].ids.tolist() for i in reversed(range(len(steps)))]
    assert backwards[::-1] == [step.micro_batches[0].ids.tolist() for step in make_steps().loader()]
    with pytest.raises(IndexError):
        steps[len(steps)]


@pytest.mark.parametrize(("epochs", "steps"), [(0.01, 1), (0.5, 2), (1.0, 3), (2.5, 8)])
def test_epochs_may_be_fractions(epochs: float, steps: int) -> None:
    assert len(make_steps(epochs=epochs)) == steps
