"""An optimizer step as text: which tokens a student reads and which it learns, from the very tensors it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from torch import Tensor

from nesyc_runtime.learning.batches import IGNORED, MicroBatch, StepBatch
from nesyc_runtime.learning.encoding import EncodedRow


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of a micro-batch (both numbered from 1); packed, a segment of its only row.

    `parts` are (learned, text) in order; `weight` is a learned token's share of the step's loss. Of the tokens `read`,
    `shared` ones were read with rows before it that begin alike.
    """

    micro_batch: int
    row: int
    segment: int | None
    of: EncodedRow
    parts: tuple[tuple[bool, str], ...] = ()
    read: int = 0
    shared: int = 0
    learned: int = 0
    padding: int = 0
    weight: float = 0.0


def shown_rows(step: StepBatch, tokenizer: Any) -> Iterator[ShownRow]:
    """Every row of a step in the order it is trained on."""
    for number, micro in enumerate(step.micro_batches, 1):
        before: set[tuple[int, int]] = set()
        for order, (of, row, places) in enumerate(micro.places, 1):
            segment = order if micro.segments is not None else None
            own = {(row, place) for place in places.tolist()}
            empty = ShownRow(number, row + 1, segment, of, shared=len(own & before))
            yield _shown(empty, places, micro, tokenizer)
            before |= own


def _shown(empty: ShownRow, places: Tensor, micro: MicroBatch, tokenizer: Any) -> ShownRow:
    row = empty.row - 1
    ids = micro.ids[row, places].tolist()
    # the position before a token carries its label: the first token of a sequence is never learned
    learned = [False, *(micro.labels[row, places[:-1]] != IGNORED).tolist()]
    parts = tuple(
        (wanted, _text(tokenizer, [id_ for _, id_ in some]))
        for wanted, some in groupby(zip(learned, ids, strict=True), key=lambda pair: pair[0])
    )
    return replace(
        empty,
        parts=parts,
        read=len(ids) - sum(learned),
        learned=sum(learned),
        padding=micro.ids.shape[1] - len(ids) if micro.segments is None else 0,
        weight=float(micro.weights[row, places].max()),
    )


def _text(tokenizer: Any, ids: list[int]) -> str:
    """What the tokens say, control tokens too."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
