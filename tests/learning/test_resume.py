"""A training cut off at any step and called again ends in the very weights of an unbroken one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from cut_training import Killed, train_stage, weights
from safetensors import safe_open
from tiny_student import make_stage, make_student

from nesyc_runtime.learning import TrainingRow

ROWS = [
    TrainingRow(
        f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3), "Count." if n % 2 else None
    )
    for n in range(1, 12)
]
STEPS = 9  # 11 items in batches of 4, three epochs


def train(
    out: Path, adapter: str, cut: int | None = None, every: float = 0.0, packing: bool | None = None
) -> Any:
    student = make_student(adapter, dropout=0.1)  # drops at random: the random state counts too
    tasks: dict[str, Any] = {"tasks": ("augmented", "direct"), "weights": (1.0, 0.5)}
    tasks["options"] = {} if packing is None else {"packing": packing, "micro_tokens": 60}
    stage = make_stage(epochs=3.0, batch=4, lr=1e-2, schedule="linear", warmup=0.3, **tasks)
    return train_stage(out, stage, student, ROWS, cut=cut, checkpoint_every=every)


@pytest.mark.parametrize(("adapter", "packing"), [("full", True), ("lora", True), ("lora", False)])
def test_cut_off_after_every_step(adapter: str, packing: bool, tmp_path: Path) -> None:
    whole = train(tmp_path / "whole", adapter, packing=packing)
    for cut in range(1, STEPS + 1):
        with pytest.raises(Killed):
            train(tmp_path / "cut", adapter, cut, packing=packing)
    broken = train(tmp_path / "cut", adapter, packing=packing)
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert (broken.loss, broken.tokens, broken.label_tokens) == (whole.loss, whole.tokens, whole.label_tokens)
    assert not list(tmp_path.glob(".*checkpoint"))


def test_only_what_no_checkpoint_holds_is_repeated(tmp_path: Path) -> None:
    with pytest.raises(Killed):
        train(tmp_path / "cut", "lora", 6)  # the sixth step was taken, its checkpoint not yet written
    with pytest.raises(Killed) as again:
        train(tmp_path / "cut", "lora", 6)
    assert again.type is Killed
    (file,) = tmp_path.glob(".*.checkpoint")
    with safe_open(file, framework="pt") as opened:
        assert json.loads(opened.metadata()["training"])["step"] == 5


@pytest.mark.parametrize("damage", ["cut", "zeros", "empty", "other"])
def test_a_damaged_checkpoint_starts_the_training_over(damage: str, tmp_path: Path) -> None:
    train(tmp_path / "whole", "lora")
    with pytest.raises(Killed):
        train(tmp_path / "cut", "full" if damage == "other" else "lora", 5)
    (file,) = tmp_path.glob(".*.checkpoint")
    held = file.read_bytes()
    if damage != "other":
        file.write_bytes({"cut": held[: len(held) // 2], "zeros": bytes(len(held)), "empty": b""}[damage])
    train(tmp_path / "cut", "lora")
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(a[name], b[name]) for name in a)
