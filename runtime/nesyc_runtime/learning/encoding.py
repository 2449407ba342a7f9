"""Training pairs as token ids: the prompt masked from the loss, too long ones cut with a count of what was cut."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from nesyc_runtime.config import Task, TrainingTask
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.formats import PromptFormat
from nesyc_runtime.learning.rows import Pair, TrainingRow, training_pairs
from nesyc_runtime.learning.stored import RowTargets


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """Ids of prompt and response; the first `prompt_length` carry no loss.

    `item` is the example's id, `cut` names what was cut from it: `knowledge`, `prompt`, `response`. `targets` are what a
    teacher told of its label tokens. `own`: the student wrote the response itself, so it is no target.
    """

    training_task: TrainingTask
    ids: Sequence[int]
    prompt_length: int
    item: str = ""
    cut: tuple[str, ...] = ()
    targets: RowTargets | None = field(default=None, compare=False)
    own: bool = False

    @property
    def label_tokens(self) -> int:
        return len(self.ids) - self.prompt_length


@dataclass(frozen=True, slots=True)
class EncodedItems:
    """`items[i]` are the rows of example i, one per training task. `cut` counts pairs by what they lost."""

    items: tuple[tuple[EncodedRow, ...], ...]
    cut: Counter[str]

    @property
    def rows(self) -> int:
        return sum(len(item) for item in self.items)


def encode_items(
    task: Task,
    rows: Sequence[TrainingRow],
    tasks: tuple[TrainingTask, ...],
    template: PromptFormat,
    max_tokens: int,
    kept: float = 1.0,
) -> EncodedItems:
    """Every example's pairs as token ids of at most `max_tokens`, with the first tokens of the retrieved text, the share
    `kept` of them.

    What is too long is cut in this order: the end of the retrieved knowledge, the beginning of the prompt,
    the end of the response. Raises UserError where a response is empty: its row would teach nothing.
    """
    items = tuple(
        tuple(_encode(row, pair, template, max_tokens) for pair in training_pairs(task, row, tasks))
        for row in (rows if kept >= 1 else [_faded(row, template, kept) for row in rows])
    )
    return EncodedItems(items, Counter(part for item in items for row in item for part in row.cut))


def rounds(
    encode: Callable[[float], EncodedItems], fade: tuple[float, float], epochs: int
) -> list[EncodedItems]:
    """The items of each epoch: what is retrieved is internalised, its share going in a line from `fade[0]` to `fade[1]`.

    `encode` gives the items with a share of their retrieved text. After SKIntern (Liao et al., COLING 2025, section 3.3),
    which scores tokens; here the end of the text goes first.
    """
    start, end = fade
    return [encode(start + (end - start) * epoch / max(1, epochs - 1)) for epoch in range(epochs)]


def _faded(row: TrainingRow, template: PromptFormat, kept: float) -> TrainingRow:
    ids = template.text_ids(row.retrieved or "")
    return replace(row, retrieved=template.text(ids[: round(kept * len(ids))]).strip() or None)


def _encode(row: TrainingRow, pair: Pair, template: PromptFormat, max_tokens: int) -> EncodedRow:
    response = template.response_ids(pair.response)
    if len(response) <= len(template.end):
        raise UserError(
            f"item {row.id} has an empty response for .{pair.training_task}",
            "keep only examples with a rationale and an answer, or leave this training task out",
        )
    prompt, cut = template.fit(pair.prompt, max(max_tokens - len(response), max_tokens // 4))
    if len(prompt) + len(response) > max_tokens:
        cut = (*cut, "response")
        response = response[: max(1, max_tokens - len(prompt))]
    return EncodedRow(pair.training_task, (*prompt, *response), len(prompt), row.id, cut)
