"""What a training run tells while it runs: a Lightning callback."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import lightning.pytorch as pl

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.batches import StepBatch

Progress = Callable[[float, dict[str, Any]], None]


class History(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Losses by step, scores of `select` and tokens seen; calls `progress` with the finished share and the latest figures.

    Stops the run with a UserError when the loss is no number: what follows could only be saved as garbage.
    """

    def __init__(self, steps: int, progress: Progress | None) -> None:
        self.steps, self.progress = steps, progress
        self.losses: list[float] = []
        self.scores: list[tuple[int, float]] = []
        self.tokens = self.label_tokens = 0
        self.seconds = self._seconds_before = self._started = 0.0

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state()` gave when the training was cut off."""
        self.losses = [float(loss) for loss in state["losses"]]
        self.scores = [(int(step), float(score)) for step, score in state["scores"]]
        self.tokens, self.label_tokens = int(state["tokens"]), int(state["label_tokens"])
        self.seconds = self._seconds_before = float(state["seconds"])

    @property
    def step(self) -> int:
        """Optimizer steps taken."""
        return len(self.losses)

    def state(self) -> dict[str, Any]:
        """What a later process needs to go on, as JSON values."""
        counts = {"tokens": self.tokens, "label_tokens": self.label_tokens, "seconds": self.seconds}
        return {"losses": self.losses, "scores": self.scores, **counts}

    def pause(self, seconds: float) -> None:
        """Leave out of the training's time what was spent on something else."""
        self._started += seconds

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: StepBatch, batch_idx: int
    ) -> None:
        loss = float(outputs["loss"])
        if trainer.world_size > 1:  # each process has the loss of its share
            loss = float(trainer.strategy.reduce(outputs["loss"].detach().clone(), reduce_op="sum"))
        if not math.isfinite(loss):
            raise UserError(
                f"the loss is {loss} at step {self.step + 1} of {self.steps}", "lower `lr`, or raise `warmup`"
            )
        self.losses.append(loss)
        self.tokens += batch.tokens
        self.label_tokens += batch.label_tokens
        self.seconds = self._seconds_before + time.perf_counter() - self._started
        if self.progress is not None:
            speed = self.tokens / max(self.seconds, 1e-9)
            figures = {"step": self.step, "steps": self.steps, "loss": loss, "tokens_per_second": speed}
            self.progress(self.step / self.steps, figures)
