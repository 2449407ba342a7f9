"""An optimizer step as text: which tokens a student reads and which it learns, from the very tensors it is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from nesyc_runtime.learning.batches import IGNORED, MicroBatch, StepBatch
from nesyc_runtime.learning.encoding import EncodedRow


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row of a micro-batch (both numbered from 1).

    `parts` are (learned, text) in order; `weight` is a learned token's share of the step's loss.
    """

    micro_batch: int
    row: int
    of: EncodedRow
    parts: tuple[tuple[bool, str], ...]
    read: int
    learned: int
    padding: int
    weight: float


def shown_rows(step: StepBatch, tokenizer: Any) -> Iterator[ShownRow]:
    """Every row of a step in the order it is trained on."""
    for number, micro in enumerate(step.micro_batches, 1):
        for row, of in enumerate(micro.rows):
            yield _shown(number, row, of, micro, tokenizer)


def _shown(number: int, row: int, of: EncodedRow, micro: MicroBatch, tokenizer: Any) -> ShownRow:
    length = len(of.ids)
    ids = micro.ids[row, :length].tolist()
    # the position before a token carries its label: the first token of a row is never learned
    learned = [False, *(micro.labels[row, : length - 1] != IGNORED).tolist()]
    parts = tuple(
        (wanted, _text(tokenizer, [id_ for _, id_ in some]))
        for wanted, some in groupby(zip(learned, ids, strict=True), key=lambda pair: pair[0])
    )
    return ShownRow(
        number,
        row + 1,
        of,
        parts,
        read=length - sum(learned),
        learned=sum(learned),
        padding=micro.ids.shape[1] - length,
        weight=float(micro.weights[row].max()),
    )


def _text(tokenizer: Any, ids: list[int]) -> str:
    """What the tokens say, control tokens too."""
    text: str = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return text
