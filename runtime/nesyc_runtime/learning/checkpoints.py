"""A training that can be cut off at any step and go on as if it never was.

One safetensors file holds all that the next step depends on: trained parameters, AdamW's moments, the
random state, the number of steps taken, how steps are cut. Batches need none of it: `Steps` makes any step from its number alone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.layouts import Arrangement
from nesyc_runtime.learning.randomness import random_state, restore_random
from nesyc_runtime.learning.sharding import is_sharded, like, whole

VERSION = 2
SHARE = 0.05  # of the time since the last checkpoint that writing one may take
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state after `step` optimizer steps; `history` and `arrangement` are what their `state` gave."""

    step: int
    history: Mapping[str, Any]
    arrangement: Mapping[str, Any]
    tensors: Mapping[str, Tensor]


def read_checkpoint(file: Path, model: torch.nn.Module) -> Checkpoint | None:
    """The checkpoint in `file`; None where there is none, or one that is damaged or of another model."""
    try:
        with safe_open(file, framework="pt") as opened:
            about = json.loads((opened.metadata() or {})["training"])
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118  (not a mapping)
        fits = about["v"] == VERSION and all(
            tensors[f"parameter.{name}"].shape == parameter.shape
            for name, parameter in trained_parameters(model)
        )
    except (OSError, SafetensorError, KeyError, TypeError, ValueError):
        return None
    return Checkpoint(about["step"], about["history"], about["arrangement"], tensors) if fits else None


def restore_parameters(model: torch.nn.Module, checkpoint: Checkpoint) -> None:
    with torch.no_grad():
        for name, parameter in trained_parameters(model):
            parameter.copy_(checkpoint.tensors[f"parameter.{name}"])


class Checkpoints(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Writes the state of a training into `file`, and starts the training from `checkpoint` where there is one.

    A checkpoint is written once `every` seconds have gone (0: after every step) and writing costs at most SHARE of
    them. The file is replaced whole: a kill while it is written leaves the one before.
    """

    def __init__(
        self,
        file: Path,
        checkpoint: Checkpoint | None,
        history: History,
        arrangement: Arrangement,
        every: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.file, self.checkpoint, self.every, self.clock = file, checkpoint, every, clock
        self.history, self.arrangement = history, arrangement
        self._due = clock() + every
        self._random: Mapping[str, Tensor] | None = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if self.checkpoint is None:
            return
        (optimizer,) = trainer.optimizers
        for name, parameter in trained_parameters(pl_module.model):
            moments = {key: self.checkpoint.tensors[f"{key}.{name}"] for key in MOMENTS}
            # the count of steps stays on the CPU, where AdamW keeps it
            optimizer.state[parameter] = {
                key: value if key == "step" else like(value, parameter) for key, value in moments.items()
            }
        _set_schedule(pl_module.lr_schedulers(), self.checkpoint.step)
        self._random = self.checkpoint.tensors

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        # Not before: making the loader's iterator draws a number, which the unbroken training drew once.
        if self._random is not None:
            restore_random(self._random)
            self._random = None

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        sharded = any(is_sharded(parameter) for _, parameter in trained_parameters(pl_module.model))
        due = (start := self.clock()) >= self._due and trainer.is_global_zero
        if sharded:  # all gather what the first process writes, when its clock says so
            due = trainer.strategy.broadcast(due)
        if not due:
            return
        self._write(pl_module.model, trainer.optimizers[0], save=trainer.is_global_zero)
        end = self.clock()
        self._due = end + max(self.every, (end - start) / SHARE) if self.every > 0 else end

    def _write(self, model: torch.nn.Module, optimizer: Any, *, save: bool) -> None:
        tensors = random_state()
        for name, parameter in trained_parameters(model):
            held = {
                "parameter": parameter.detach(),
                **{key: optimizer.state[parameter][key] for key in MOMENTS},
            }
            for key, tensor in held.items():
                gathered = whole(tensor)  # one after another, so that no device has all of them
                if save:
                    tensors[f"{key}.{name}"] = gathered.cpu().contiguous()
        if not save:
            return
        about = {
            "v": VERSION,
            "step": self.history.step,
            "history": self.history.state(),
            "arrangement": self.arrangement.state(),
        }
        save_whole(self.file, tensors, {"training": json.dumps(about)})


def save_whole(file: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None) -> None:
    """Write tensors so that a kill at any moment leaves the file as it was, or as it is to be."""
    part = file.with_name(f"{file.name}.part")
    save_file(dict(tensors), part, dict(about) if about is not None else None)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(file)


def trained_parameters(model: torch.nn.Module) -> Iterator[tuple[str, torch.nn.Parameter]]:
    """Those that learn, by name."""
    return ((name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad)


def _set_schedule(schedule: Any, step: int) -> None:
    """Put a LambdaLR where it stands after `step` steps."""
    schedule.load_state_dict({**schedule.state_dict(), "last_epoch": step, "_step_count": step + 1})
    groups = zip(schedule.optimizer.param_groups, schedule.base_lrs, schedule.lr_lambdas, strict=True)
    for group, base, factor in groups:
        group["lr"] = base * factor(step)
