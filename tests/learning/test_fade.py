"""`fade`: what an item retrieves is shown in full at first and less with each epoch, until the student knows it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from cut_training import TASK, Killed, equal, train_stage
from tiny_student import make_stage, make_student

from nesyc_runtime.learning import TrainingRow, load_student
from nesyc_runtime.learning.batches import Steps
from nesyc_runtime.learning.encoding import encode_items, rounds
from nesyc_runtime.learning.prepared import fade_out
from nesyc_runtime.learning.stored import Targets

KNOWN = "abcdefghij"
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3), KNOWN)
    for n in range(1, 7)
]


def prompts(
    fade: tuple[float, float], epochs: int, tasks: tuple[Any, ...] = ("augmented",)
) -> list[list[str]]:
    """For each epoch the prompts of the first item."""
    loaded = load_student(make_student())
    found = rounds(partial(encode_items, TASK, ROWS, tasks, loaded.template, 200), fade, epochs)
    return [[loaded.template.text(row.ids[: row.prompt_length]) for row in one.items[0]] for one in found]


def test_the_end_of_the_text_goes_first_in_a_line() -> None:
    shown = [found[0] for found in prompts((1.0, 0.0), 3)]
    assert KNOWN in shown[0]
    assert "abcde" in shown[1] and "f" not in shown[1]
    assert not any(letter in shown[2] for letter in "abc")


def test_a_share_that_stays() -> None:
    assert all("abcde" in found[0] and "f" not in found[0] for found in prompts((0.5, 0.5), 3))
    assert KNOWN in prompts((1.0, 0.0), 1)[0][0]


def test_what_reads_no_knowledge_stays_as_it_is() -> None:
    found = prompts((1.0, 0.0), 2, ("augmented", "direct"))
    assert len(found[0]) == 2 and len(found[1]) == 1, "without knowledge the prompt is that of .direct"
    assert found[0][1] == found[1][0]


def test_each_epoch_takes_its_round() -> None:
    loaded = load_student(make_student())
    encode = partial(encode_items, TASK, ROWS, ("augmented",), loaded.template, 200)
    known = Targets(torch.ones(1, dtype=torch.bool), torch.ones(1, 1), torch.zeros(1, 1))
    items = [tuple(replace(row, targets=known) for row in item) for item in encode().items]
    steps = Steps(items, task_weights={"augmented": 1.0}, batch=3, epochs=2.5, pad_id=0, seed=0)
    fade_out(steps, (1.0, 0.0), encode)
    lengths = [max(row.prompt_length for row in steps.rows(step)) for step in range(len(steps))]
    assert len(lengths) == 5 and lengths[0] == lengths[1] > lengths[2] == lengths[3] > lengths[4]
    assert all(row.targets is known for step in range(len(steps)) for row in steps.rows(step))
    items_seen = {row.item for step in range(2) for row in steps.rows(step)}
    assert items_seen == {row.id for row in ROWS}


def train(out: Path, fade: tuple[float, float] | None, cut: int | None = None, rows: Any = ROWS) -> Any:
    student = make_student(dropout=0.1)
    stage = make_stage(tasks=("augmented",), weights=(1.0,), epochs=3.0, batch=3, lr=1e-2, fade=fade)
    return train_stage(out, stage, student, rows, cut=cut)


def test_cut_off_after_every_step(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", (1.0, 0.0))
    for cut in range(1, whole.steps + 1):
        with pytest.raises(Killed):
            train(tmp_path / "cut", (1.0, 0.0), cut)
    broken = train(tmp_path / "cut", (1.0, 0.0))
    assert broken.loss == whole.loss and equal(tmp_path / "whole", tmp_path / "cut")


def test_nothing_kept_is_training_without_knowledge(tmp_path: Path) -> None:
    faded = train(tmp_path / "faded", (0.0, 0.0))
    bare = train(tmp_path / "bare", None, rows=[replace(row, retrieved=None) for row in ROWS])
    full = train(tmp_path / "full", None)
    assert faded.loss == bare.loss and faded.loss != full.loss
    assert train(tmp_path / "ones", (1.0, 1.0)).loss == full.loss
