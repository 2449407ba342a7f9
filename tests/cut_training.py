"""A training as a user's run makes it, with the module that the compiler emits, cut off after a step where a test asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tiny_student import make_task
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.learning import TrainingRow, run_finetune

TASK = make_task(prompt="{question}\n{retrieved}")


class Killed(BaseException):
    """Ends the process in the middle, as far as the training can tell."""


def train_stage(
    out: Path,
    stage: config.FinetuneStage,
    student: config.Student,
    rows: Sequence[TrainingRow],
    *,
    cut: int | None = None,
    on_step: Callable[[int], None] = lambda step: None,
    task: config.Task = TASK,
    seed: int = 3,
    **more: Any,
) -> Any:
    """The report of a training that saves into `out`; raises `Killed` after step `cut`. `on_step` gets the number of each."""
    module = out.parent / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))

    def progress(_share: float, figures: dict[str, Any]) -> None:
        on_step(figures["step"])
        if figures["step"] == cut:
            raise Killed

    more.setdefault("checkpoint_every", 0.0)
    return run_finetune(stage, student, task, rows, module, out, seed=seed, progress=progress, **more)


def weights(out: Path) -> dict[str, torch.Tensor]:
    (file,) = out.glob("*.safetensors")
    return load_file(file)


def equal(left: Path, right: Path) -> bool:
    """Whether two trainings saved the very same weights."""
    one, two = weights(left), weights(right)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
