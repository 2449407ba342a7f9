"""Stage `distil.final`: fine-tunes `small` on `distil.cot`.

Compiled by nesyc from tiny.nesy:7: change the spec, not this file.
"""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from nesyc_runtime.learning import (
    Divergence,
    EncodedItems,
    FrozenTeacher,
    StepBatch,
    Steps,
    adamw,
    clip_gradients,
    distil_loss,
    lr_schedule,
    train_options,
)
from torch import Tensor
from torch.utils.data import DataLoader

TASK_WEIGHTS = {"direct": 1.0}
EPOCHS = 1.0
BATCH = 4  # items; each brings a row for every training task
LEARNING_RATE = 0.001
WARMUP = 0.1  # share of all steps
SCHEDULE = "cosine"
OPTIONS = train_options({})
DIVERGENCE = Divergence("jsd", beta=0.25, temperature=2.0, top_k=64, mix=0.75)


class FineTuning(pl.LightningModule):
    """Loss of a step: 0.75 * jsd from `big` + 0.25 * cross-entropy.

    It is the mean over the response's tokens; prompts carry no loss.
    """

    def __init__(self, model: torch.nn.Module, steps: int, teacher: FrozenTeacher | None) -> None:
        super().__init__()
        self.model = model
        self.teacher = teacher
        self.steps = steps
        self.automatic_optimization = False  # the micro-batches of a step differ in size: see training_step

    def training_step(self, batch: StepBatch, batch_idx: int) -> Tensor:
        """One optimizer step; the losses of its micro-batches add up to the loss of the whole step."""
        optimizer, schedule = self.optimizers(), self.lr_schedulers()
        optimizer.zero_grad()
        loss = torch.zeros((), device=self.device)
        for micro in batch.micro_batches:
            part = distil_loss(self.model, self.teacher, micro, DIVERGENCE)
            self.manual_backward(part * self.trainer.world_size)  # processes average their gradients
            loss += part.detach()
        if OPTIONS.clip > 0:
            clip_gradients(self.parameters(), OPTIONS.clip)
        optimizer.step()
        schedule.step()
        return loss

    def configure_optimizers(self):  # type: ignore[no-untyped-def]
        optimizer = adamw(self.model, LEARNING_RATE, OPTIONS)
        return [optimizer], [lr_schedule(optimizer, SCHEDULE, WARMUP, self.steps)]


class Examples(pl.LightningDataModule):
    """The examples of a run as optimizer steps.

    .direct: question to rationale and answer
    """

    def __init__(self, items: EncodedItems, *, pad_id: int, seed: int) -> None:
        super().__init__()
        self.steps = Steps(
            items.items,
            task_weights=TASK_WEIGHTS,
            batch=BATCH,
            epochs=EPOCHS,
            pad_id=pad_id,
            seed=seed,
            micro_tokens=OPTIONS.micro_tokens,
        )

    def train_dataloader(self) -> DataLoader[StepBatch]:
        return self.steps.loader()
