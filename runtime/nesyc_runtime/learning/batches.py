"""Optimizer steps as data: which items, cut into micro-batches, each token with its share of the loss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Subset

from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.prefixes import Segment, alone, prefix_tree, sequences, units

IGNORED = -100
SPLIT_WASTE = 1024  # padding tokens above which a further micro-batch is cheaper than the padding
MICRO_TOKENS = 16384


@dataclass(frozen=True, slots=True)
class Layout:
    """How the rows of a step become tensors: at most `micro_tokens` tokens (one row at least) in a forward pass.

    `packed`: without padding, what prompts begin with alike once. Else padded to the longest, rows of like length together.
    """

    packed: bool = False
    micro_tokens: int = MICRO_TOKENS


@dataclass(slots=True)
class MicroBatch:
    """Rows of a step: `ids` and `labels` are (rows, length), `weights` (rows, length) float32.

    `labels[r, t]` is the id that position t must predict, -100 on the prompt and padding; `weights[r, t]` is
    its share of the step's loss. Padded to the right there is no attention mask: padding stands right of every label, where
    a causal model does not look, and its own positions have no label. Packed, there is one row of tensors, and `segments` say
    which tokens of it are a sequence's, each with positions from 0 and attention to itself alone. `rows` are what the tensors
    were made of, in the order of their labels.
    """

    ids: Tensor
    labels: Tensor
    weights: Tensor
    rows: tuple[EncodedRow, ...] = ()
    segments: tuple[Segment, ...] | None = None

    @property
    def places(self) -> Iterator[tuple[EncodedRow, int, Tensor]]:
        """Each row, the row of the tensors it stands in, and where each of its tokens stands there."""
        if self.segments is None:
            for number, row in enumerate(self.rows):
                yield row, number, torch.arange(len(row.ids))
        else:
            for row, parts in zip(self.rows, sequences(self.segments), strict=True):
                yield row, 0, torch.cat([torch.arange(part.start, part.stop) for part in parts])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> MicroBatch:
        ids, labels, weights = (
            part.to(device, non_blocking=non_blocking) for part in (self.ids, self.labels, self.weights)
        )
        return MicroBatch(ids, labels, weights, self.rows, self.segments)


@dataclass(slots=True)
class StepBatch:
    """What one optimizer step sees; the losses of its micro-batches add up to the step's loss."""

    micro_batches: list[MicroBatch]
    tokens: int
    label_tokens: int
    layout: Layout = Layout()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> StepBatch:
        moved = [micro.to(device, non_blocking) for micro in self.micro_batches]
        return StepBatch(moved, self.tokens, self.label_tokens, self.layout)


class Steps(Dataset[StepBatch]):
    """The optimizer steps of a whole training run, each made when it is asked for.

    Every epoch visits each item once, in an order fixed by (`seed`, epoch). `batch` counts items: an item
    brings a row for each training task. `epochs` may be fractional; at least one step is taken. `layout` may be changed
    at any time: it bears on how fast a step is and what memory it takes, not on its loss. `rounds` may hold the items of
    each epoch, in the order of `items`, where they differ. Of several `processes` each takes a share of every step.
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
        micro_tokens: int | None = None,
    ) -> None:
        self.items, self.task_weights = items, task_weights
        self.batch, self.pad_id, self.seed = batch, pad_id, seed
        self.layout = Layout(micro_tokens=micro_tokens or MICRO_TOKENS)
        self.steps_per_epoch = ceil(len(items) / batch)
        self.steps = max(1, round(epochs * self.steps_per_epoch))
        self.done = 0
        self._order: tuple[int, Tensor] | None = None
        self._replaced: tuple[int, list[EncodedRow]] | None = None
        self.process, self.processes = 0, 1
        self.rounds: Sequence[Sequence[tuple[EncodedRow, ...]]] = ()

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> StepBatch:
        share = self.process, self.processes
        return step_batch(self.rows(step), self.task_weights, self.pad_id, self.layout, share)

    def rows(self, step: int) -> list[EncodedRow]:
        if not 0 <= step < self.steps:
            raise IndexError(step)
        if self._replaced is not None and self._replaced[0] == step:
            return list(self._replaced[1])
        epoch, place = divmod(step, self.steps_per_epoch)
        chosen = self.order(epoch)[place * self.batch : (place + 1) * self.batch]
        items = self.rounds[min(epoch, len(self.rounds) - 1)] if self.rounds else self.items
        return [row for index in chosen.tolist() for row in items[index]]

    def replace(self, step: int, rows: Sequence[EncodedRow]) -> None:
        """Let one step have these rows, until another is replaced."""
        self._replaced = step, list(rows)

    def order(self, epoch: int) -> Tensor:
        if self._order is None or self._order[0] != epoch:
            generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
            self._order = (epoch, torch.randperm(len(self.items), generator=generator))
        return self._order[1]

    def loader(self) -> DataLoader[StepBatch]:
        """The steps in order, those already `done` left out; a batch of the loader is one optimizer step."""
        return DataLoader(Subset(self, range(self.done, self.steps)), batch_size=None, shuffle=False)


def step_batch(
    rows: Sequence[EncodedRow],
    task_weights: Mapping[str, float],
    pad_id: int,
    layout: Layout,
    share: tuple[int, int] = (0, 1),
) -> StepBatch:
    """The rows of a step as micro-batches; of `share`, (process, processes), those that fall to a process.

    loss = sum over training tasks t of weight_t * mean over the label tokens of t in the whole step: each
    label token of t weighs weight_t / (number of label tokens of t), however the rows are cut and dealt out.
    """
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.training_task] += row.label_tokens
    shares = {task: task_weights[task] / count for task, count in counts.items()}
    own = dealt_out(rows, layout, share)
    micro_batches = [micro_batch(piece, shares, pad_id, packed=layout.packed) for piece in own]
    return StepBatch(micro_batches, sum(len(row.ids) for row in rows), counts.total(), layout)


def dealt_out(rows: Sequence[EncodedRow], layout: Layout, share: tuple[int, int]) -> list[list[EncodedRow]]:
    """The micro-batches of one process: every process has as many, so that they meet after each.

    Rows are dealt out by length, packed those of an item together. Where a process has fewer micro-batches, it reads the
    shortest row again with no label.
    """
    process, processes = share
    plan = pack_plan if layout.packed else micro_batch_plan
    together = units(rows, layout.micro_tokens) if layout.packed else []
    if len(together) < processes:  # too few of them to share out
        together = [alone(row) for row in rows]
    order = _longest_first([unit.tokens for unit in together])
    hands = [[together[index] for index in order[number::processes]] for number in range(processes)]
    cuts = [plan([unit.tokens for unit in hand], layout.micro_tokens) if hand else [] for hand in hands]
    pieces = [[row for index in piece for row in hands[process][index].rows] for piece in cuts[process]]
    shortest = min(rows, key=lambda row: len(row.ids))
    idle = replace(shortest, ids=shortest.ids[: shortest.prompt_length], targets=None)
    return pieces + [[idle]] * (max(map(len, cuts)) - len(pieces))


def micro_batch_plan(lengths: Sequence[int], micro_tokens: int) -> list[list[int]]:
    """Rows grouped by length, longest first: at most `micro_tokens` with padding (one row at least), little waste."""
    pieces: list[list[int]] = []
    longest = waste = 0
    for index in _longest_first(lengths):
        full = bool(pieces) and (len(pieces[-1]) + 1) * longest > micro_tokens
        waste += longest - lengths[index]
        if not pieces or full or waste > SPLIT_WASTE:
            pieces.append([])
            longest, waste = lengths[index], 0
        pieces[-1].append(index)
    return pieces


def pack_plan(lengths: Sequence[int], micro_tokens: int) -> list[list[int]]:
    """Rows in packs of at most `micro_tokens` (one row at least), as few as may be and about equally full.

    The longest row goes first into the pack with most room (Graham 1969, longest processing time).
    """
    packs: list[list[int]] = [[] for _ in range(max(1, ceil(sum(lengths) / micro_tokens)))]
    used = [0] * len(packs)
    for index in _longest_first(lengths):
        emptiest = min(range(len(packs)), key=used.__getitem__)
        if packs[emptiest] and used[emptiest] + lengths[index] > micro_tokens:
            emptiest = len(packs)
            packs.append([])
            used.append(0)
        packs[emptiest].append(index)
        used[emptiest] += lengths[index]
    return [pack for pack in packs if pack]


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))


def micro_batch(
    rows: Sequence[EncodedRow], shares: Mapping[str, float], pad_id: int, *, packed: bool = False
) -> MicroBatch:
    """Rows that are read at once; a label token weighs what `shares` say of its training task."""
    tree = prefix_tree(rows) if packed else None
    shape = (1, tree.tokens) if tree is not None else (len(rows), max(len(row.ids) for row in rows))
    micro = MicroBatch(
        torch.full(shape, pad_id),
        torch.full(shape, IGNORED),
        torch.zeros(shape),
        tree.rows if tree is not None else tuple(rows),
        tree.segments if tree is not None else None,
    )
    for row, r, places in micro.places:
        ids = torch.tensor(row.ids[:])
        micro.ids[r, places] = ids
        # the last prompt token predicts the first of the response; the last of a sequence predicts nothing
        learned = places[row.prompt_length - 1 : -1]
        micro.labels[r, learned] = ids[row.prompt_length :]
        micro.weights[r, learned] = shares[row.training_task]
    return micro
