"""`select`: the weights of the epoch with the highest score are saved, whatever happens on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from cut_training import Killed, equal, train_stage
from test_resume import ROWS
from tiny_student import make_stage, make_student

from nesyc_runtime.inference.generate import generate

PER_EPOCH = 3  # 11 items in batches of 4
SCORES = (0.2, 0.7, 0.7, 0.1)


def train(
    out: Path,
    scores: tuple[float, ...] = (),
    cut: int | None = None,
    epochs: float = 4.0,
    adapter: str = "full",
) -> Any:
    """Each epoch's score is what `scores` has for it, whichever process asks."""
    student = make_student(adapter, dropout=0.1)
    settings: dict[str, Any] = {
        "batch": 4,
        "lr": 1e-2,
        "schedule": "constant",
        "warmup": 0.0,
        "tasks": ("direct",),
    }
    stage = make_stage(epochs=epochs, weights=(1.0,), **settings)
    seen = [0]

    def score(loaded: Any) -> float:
        torch.rand(5)  # what decoding may draw changes nothing
        answers = list(generate(loaded, ["1 x 3?", "2 x 3?"], max_new_tokens=3))
        assert len(answers) == 2 and loaded.model.training
        return scores[-(-seen[-1] // PER_EPOCH) - 1]

    return train_stage(
        out, stage, student, ROWS, cut=cut, on_step=seen.append, score=score if scores else None
    )


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_the_first_of_the_best_epochs_is_saved(adapter: str, tmp_path: Path) -> None:
    report = train(tmp_path / "selected", SCORES, adapter=adapter)
    assert list(report.scores) == [(3, 0.2), (6, 0.7), (9, 0.7), (12, 0.1)] and report.steps == 12
    train(tmp_path / "two", epochs=2.0, adapter=adapter)
    assert equal(tmp_path / "selected", tmp_path / "two")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["module.py", "selected", "two"]


def test_scoring_changes_nothing_of_the_training(tmp_path: Path) -> None:
    train(tmp_path / "scored", (0.1, 0.2, 0.3, 0.4))
    train(tmp_path / "plain")
    assert equal(tmp_path / "scored", tmp_path / "plain")


def test_the_last_step_counts_where_it_ends_no_epoch(tmp_path: Path) -> None:
    report = train(tmp_path / "out", (0.1, 0.5, 0.0, 0.0), epochs=1.67)
    assert list(report.scores) == [(3, 0.1), (5, 0.5)]


def test_cut_off_after_every_step(tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", SCORES)
    for cut in range(1, 13):
        with pytest.raises(Killed):
            train(tmp_path / "cut", SCORES, cut)
    broken = train(tmp_path / "cut", SCORES)
    assert list(broken.scores) == list(whole.scores)
    assert equal(tmp_path / "whole", tmp_path / "cut")
