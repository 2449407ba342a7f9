"""Optimizer steps as data: which items, cut into micro-batches, each token with its share of the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from nesyc_runtime.learning.encoding import EncodedRow

IGNORED = -100
SPLIT_WASTE = 1024  # padding tokens above which a further micro-batch is cheaper than the padding


@dataclass(slots=True)
class MicroBatch:
    """Right-padded rows: `ids` and `labels` are (rows, length), `weights` (rows, length) float32.

    `labels[r, t]` is the id that position t must predict, -100 on the prompt and padding; `weights[r, t]` is
    its share of the step's loss. No attention mask: padding stands right of every label, where a causal
    model does not look, and its own positions have no label. `rows` are what the tensors were made of.
    """

    ids: Tensor
    labels: Tensor
    weights: Tensor
    rows: tuple[EncodedRow, ...] = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> MicroBatch:
        ids, labels, weights = (
            part.to(device, non_blocking=non_blocking) for part in (self.ids, self.labels, self.weights)
        )
        return MicroBatch(ids, labels, weights, self.rows)


@dataclass(slots=True)
class StepBatch:
    """What one optimizer step sees; the losses of its micro-batches add up to the step's loss."""

    micro_batches: list[MicroBatch]
    tokens: int
    label_tokens: int

    def to(self, device: torch.device | str, non_blocking: bool = False) -> StepBatch:
        moved = [micro.to(device, non_blocking) for micro in self.micro_batches]
        return StepBatch(moved, self.tokens, self.label_tokens)


class Steps(Dataset[StepBatch]):
    """The optimizer steps of a whole training run, each made when it is asked for.

    Every epoch visits each item once, in an order fixed by (`seed`, epoch). `batch` counts items: an item
    brings a row for each training task. `epochs` may be fractional; at least one step is taken.
    """

    def __init__(
        self,
        items: Sequence[tuple[EncodedRow, ...]],
        *,
        task_weights: Mapping[str, float],
        batch: int,
        epochs: float,
        pad_id: int,
        seed: int,
        micro_tokens: int,
    ) -> None:
        self.items, self.task_weights = items, task_weights
        self.batch, self.pad_id, self.seed, self.micro_tokens = batch, pad_id, seed, micro_tokens
        self.steps_per_epoch = ceil(len(items) / batch)
        self.steps = max(1, round(epochs * self.steps_per_epoch))
        self.done = 0
        self._order: tuple[int, Tensor] | None = None

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> StepBatch:
        if not 0 <= step < self.steps:
            raise IndexError(step)
        epoch, place = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[place * self.batch : (place + 1) * self.batch]
        rows = [row for index in chosen.tolist() for row in self.items[index]]
        return step_batch(rows, self.task_weights, self.pad_id, self.micro_tokens)

    def order(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = (epoch, torch.randperm(len(self.items), generator=generator))
        return self._order[1]

    def loader(self) -> DataLoader[StepBatch]:
        """The steps in order, those already `done` left out; a batch of the loader is one optimizer step."""
        return DataLoader(Subset(self, range(self.done, self.steps)), batch_size=None, shuffle=False)


def step_batch(
    rows: Sequence[EncodedRow], task_weights: Mapping[str, float], pad_id: int, micro_tokens: int
) -> StepBatch:
    """The rows of a step as micro-batches.

    loss = sum over training tasks t of weight_t * mean over the label tokens of t in the whole step: each
    label token of t weighs weight_t / (number of label tokens of t), however the rows are cut.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.training_task] += row.label_tokens
    shares = {task: task_weights[task] / count for task, count in counts.items()}
    pieces = micro_batch_plan([len(row.ids) for row in rows], micro_tokens)
    micro_batches = [_micro_batch([rows[i] for i in piece], shares, pad_id) for piece in pieces]
    return StepBatch(micro_batches, sum(len(row.ids) for row in rows), counts.total())


def micro_batch_plan(lengths: Sequence[int], micro_tokens: int) -> list[list[int]]:
    """Rows grouped by length, longest first: at most `micro_tokens` with padding (one row at least), little waste."""
    pieces: list[list[int]] = []
    longest = waste = 0
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        full = bool(pieces) and (len(pieces[-1]) + 1) * longest > micro_tokens
        waste += longest - lengths[index]
        if not pieces or full or waste > SPLIT_WASTE:
            pieces.append([])
            longest, waste = lengths[index], 0
        pieces[-1].append(index)
    return pieces


def _micro_batch(rows: Sequence[EncodedRow], shares: Mapping[str, float], pad_id: int) -> MicroBatch:
    length = max(len(row.ids) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    labels = torch.full((len(rows), length), IGNORED)
    weights = torch.zeros(len(rows), length)
    for r, row in enumerate(rows):
        end, start = len(row.ids), row.prompt_length
        ids[r, :end] = torch.tensor(row.ids)
        labels[r, start - 1 : end - 1] = ids[r, start:end]
        weights[r, start - 1 : end - 1] = shares[row.training_task]
    return MicroBatch(ids, labels, weights, tuple(rows))
