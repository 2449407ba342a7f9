"""On-policy distillation: which responses the student writes itself, what they weigh, and that it can be cut off."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cut_training import Killed, equal, train_stage
from tiny_student import local_teacher, make_stage, make_student, make_task

from nesyc_runtime import config
from nesyc_runtime.learning import TrainingRow, load_student, save_student
from nesyc_runtime.learning.batches import Layout, Steps
from nesyc_runtime.learning.divergences import Divergence
from nesyc_runtime.learning.encoding import encode_items
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.losses import distil_loss, token_loss
from nesyc_runtime.learning.on_policy import OwnResponses
from nesyc_runtime.learning.teachers import FrozenTeacher

TASK = make_task()
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3)) for n in range(1, 10)
]


class Model:
    device = torch.device("cpu")


def steps_of(loaded: Any, batch: int = 3, epochs: float = 4.0) -> Steps:
    items = encode_items(TASK, ROWS, ("direct",), loaded.template, loaded.student.max_tokens)
    pad = loaded.template.pad_id
    return Steps(items.items, task_weights={"direct": 1.0}, batch=batch, epochs=epochs, pad_id=pad, seed=1)


def taken(share: tuple[float, float], **more: Any) -> tuple[Any, Steps, list[Any]]:
    """The batches of a training, after the callback has seen each."""
    loaded = load_student(make_student())
    steps, history = steps_of(loaded, **more), History(12, None)
    own = OwnResponses(loaded, steps, share, 7, history)
    seen = []
    for step in range(len(steps)):
        batch = steps[step]
        own.on_train_batch_start(None, Model(), batch, step)
        seen.append(batch)
        history.losses.append(0.0)
    return loaded, steps, seen


def rows_of(batch: Any) -> list[Any]:
    return [row for micro in batch.micro_batches for row in micro.rows]


def test_none_or_all() -> None:
    _, _, none = taken((0.0, 0.0))
    assert not any(row.own for batch in none for row in rows_of(batch))
    loaded, _, every = taken((1.0, 1.0))
    for step, batch in enumerate(every):
        rows = rows_of(batch)
        assert len(rows) == 3 and all(row.own for row in rows)
        assert batch.tokens == sum(len(row.ids) for row in rows)
        assert batch.label_tokens == sum(row.label_tokens for row in rows)
        plain = {row.item: row for row in steps_of(loaded).rows(step)}
        for row in rows:
            start = plain[row.item].prompt_length
            assert row.ids[:start] == plain[row.item].ids[:start] and row.prompt_length == start
            assert start < len(row.ids) <= loaded.student.max_tokens


def test_the_share_rises_with_the_steps() -> None:
    _, _, seen = taken((0.0, 1.0), batch=9, epochs=12.0)
    shares = [sum(row.own for row in rows_of(batch)) / 9 for batch in seen]
    assert shares[0] == 0 and shares[-1] == 1
    assert sum(shares[:6]) < sum(shares[6:]) and 0.3 < sum(shares) / 12 < 0.7


def test_the_same_draws_whenever_asked() -> None:
    one, two = taken((0.5, 0.5))[2], taken((0.5, 0.5))[2]
    assert [[row.ids for row in rows_of(batch)] for batch in one] == [
        [row.ids for row in rows_of(b)] for b in two
    ]
    assert len({tuple(row.ids) for batch in one for row in rows_of(batch) if row.own}) > 4


def test_a_step_that_is_cut_anew_keeps_them() -> None:
    loaded = load_student(make_student())
    steps, history = steps_of(loaded), History(12, None)
    batch = steps[0]
    OwnResponses(loaded, steps, (1.0, 1.0), 7, history).on_train_batch_start(None, Model(), batch, 0)
    steps.layout = Layout(False, 1)
    again = steps[0]
    assert len(again.micro_batches) == 3
    assert {row.ids for row in rows_of(again)} == {row.ids for row in rows_of(batch)}
    assert not any(row.own for row in rows_of(steps[1]))


@pytest.mark.parametrize("packed", [False, True])
def test_own_responses_have_the_divergence_alone(packed: bool) -> None:
    loaded, other = load_student(make_student()), load_student(make_student(), seed=3)
    steps, history = steps_of(loaded, batch=9), History(12, None)
    steps.layout = Layout(packed)
    if packed:
        from nesyc_runtime.learning.segments import attend_in_segments

        attend_in_segments(loaded.model)
        attend_in_segments(other.model)
    teacher, batch = FrozenTeacher(other.model), steps[0]
    OwnResponses(loaded, steps, (0.5, 0.5), 2, history).on_train_batch_start(None, Model(), batch, 0)
    (micro,) = batch.micro_batches
    assert 0 < sum(row.own for row in micro.rows) < len(micro.rows)
    mixed = distil_loss(loaded.model, teacher, micro, Divergence("kl", mix=0.25))
    whole = distil_loss(loaded.model, teacher, micro, Divergence("kl"))
    entropy = token_loss(loaded.model, micro)
    place = {id(row): (r, places) for row, r, places in micro.places}
    kept = micro.weights.clone()
    for row in micro.rows:  # what the student wrote weighs nothing in the cross-entropy
        r, places = place[id(row)]
        if row.own:  # where a label stands in its own segment, no other row has one
            micro.weights[r, places] = 0
    of_targets, apart = (
        token_loss(loaded.model, micro),
        distil_loss(loaded.model, teacher, micro, Divergence("kl")),
    )
    micro.weights.copy_(kept)
    own_apart = whole - apart
    assert mixed.item() == pytest.approx((own_apart + 0.25 * apart + 0.75 * of_targets).item(), rel=1e-5)
    assert entropy.item() > of_targets.item()


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> config.Teacher:
    folder = tmp_path_factory.mktemp("teacher") / "weights"
    save_student(load_student(make_student(), seed=9), folder)
    return local_teacher(folder)


def train(out: Path, teacher: config.Teacher, share: tuple[float, float], cut: int | None = None) -> Any:
    distil = config.Distil(
        teacher="big", beta=None, temperature=1.0, top_k=None, mix=0.5, on_policy=share, fallback=None
    )
    student = make_student(dropout=0.1)
    stage = make_stage(loss="kl", distil=distil, epochs=2.0, batch=3, lr=1e-2)
    return train_stage(out, stage, student, ROWS, cut=cut, task=TASK, teacher=teacher)


def test_cut_off_after_every_step(tmp_path: Path, big: config.Teacher) -> None:
    whole = train(tmp_path / "whole", big, (0.2, 0.8))
    for cut in range(1, whole.steps + 1):
        with pytest.raises(Killed):
            train(tmp_path / "cut", big, (0.2, 0.8), cut)
    broken = train(tmp_path / "cut", big, (0.2, 0.8))
    assert broken.loss == whole.loss and equal(tmp_path / "whole", tmp_path / "cut")
    plain = train(tmp_path / "plain", big, (0.0, 0.0))
    assert plain.loss[1:] != whole.loss[1:]
