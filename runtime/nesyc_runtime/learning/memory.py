"""Out of memory: a training goes on with smaller micro-batches, from the state before the step that did not fit.

Of several processes none can take a step again while the others have gone on: the training ends with `MemoryRanOut`, and
whoever started it begins again from its checkpoint.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch

from nesyc_runtime.device import out_of_memory
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.batches import Layout, StepBatch
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.layouts import Arrangement, Decision
from nesyc_runtime.learning.randomness import random_state, restore_random


class MemoryRanOut(UserError):
    """Micro-batches of at most `tokens` did not fit, at a step counted from 1."""

    def __init__(self, step: int, tokens: int) -> None:
        super().__init__(
            f"out of memory at step {step}, with micro-batches of {tokens} tokens",
            "set  options = { micro_tokens = ... }  of the stage lower",
        )
        self.step, self.tokens = step, tokens


class SmallerBatches(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Takes a step that does not fit again, its micro-batches cut in half: the step's rows, and so its loss, stay.

    Nothing has changed when a micro-batch does not fit: weights change at the end of a step, gradients are cleared at its
    beginning, and the random state is put back. `tell` gets a sentence each time. Where the process is not `alone` it raises
    `MemoryRanOut` instead.
    """

    def __init__(
        self,
        arrangement: Arrangement,
        history: History,
        tell: Callable[[str], None] | None,
        *,
        alone: bool = True,
    ) -> None:
        self.arrangement, self.history, self.tell, self.alone = arrangement, history, tell, alone
        self._updating = False

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        trainer.optimizers[0].register_step_pre_hook(self._update_begins)
        take = pl_module.training_step
        pl_module.training_step = lambda batch, batch_idx: self._step(take, pl_module, batch, batch_idx)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        pl_module.__dict__.pop("training_step", None)

    def _update_begins(self, *_: Any) -> None:
        self._updating = True

    def _step(self, take: Callable[..., Any], pl_module: Any, batch: StepBatch, batch_idx: int) -> Any:
        steps = self.arrangement.steps
        while True:
            if batch.layout != steps.layout:  # made before the layout changed
                batch = steps[self.history.step].to(pl_module.device)
            random, self._updating = random_state(), False
            try:
                return take(batch, batch_idx)
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self._updating:
                    raise UserError(
                        f"out of memory while the weights were changed, at step {self.history.step + 1}",
                        "train an adapter, or take a smaller student",
                    ) from None
            # here the error and the tensors its frames held are gone
            _free()
            restore_random(random)
            self._shrink(batch)

    def _shrink(self, batch: StepBatch) -> None:
        steps, step = self.arrangement.steps, self.history.step + 1
        largest = max(micro.ids.numel() for micro in batch.micro_batches)
        if all(len(micro.rows) == 1 for micro in batch.micro_batches):
            raise UserError(
                f"out of memory at step {step}, with one sequence of {largest} tokens at a time",
                "lower `max_tokens` of the student, or take a smaller one",
            )
        # one long sequence may be more than the others are allowed together
        tokens = min(largest, steps.layout.micro_tokens)
        if not self.alone:
            raise MemoryRanOut(step, tokens)
        hold_smaller(self.arrangement, step, tokens)
        if self.tell is not None:
            self.tell(shrunk(step, tokens, steps.batch))


def hold_smaller(arrangement: Arrangement, step: int, tokens: int) -> None:
    """Let micro-batches have at most half of the `tokens`, with which memory ran out at a step."""
    steps = arrangement.steps
    steps.layout = Layout(steps.layout.packed, max(1, tokens // 2))
    arrangement.decisions.append(
        Decision(
            f"micro-batches from step {step}",
            f"at most {tokens // 2} tokens",
            f"out of memory with {tokens}; the batch of {steps.batch} items stays, in more micro-batches",
        )
    )


def shrunk(step: int, tokens: int, batch: int) -> str:
    """What is told then."""
    return (
        f"out of memory at step {step}: goes on with micro-batches of at most {tokens // 2} tokens, "
        f"the batch of {batch} items stays"
    )


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
