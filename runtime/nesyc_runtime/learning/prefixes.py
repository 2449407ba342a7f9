"""What packed sequences begin with alike, read once: a tree of their prompts, in which each follows on what it shares.

The training tasks of an item show the same question, all items the same system prompt. What a causal model makes of a token
depends on those before it alone: so a shared beginning has the same states in every sequence, and the gradients of its
continuations add up there. The loss is that of the sequences one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc_runtime.learning.encoding import EncodedRow

LEAST = 16  # tokens spared: a beginning that spares fewer costs about as much, in attention calls of its own

Prompt = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """Tokens that stand side by side in a packed row: `length` of them, the first `position` tokens into its sequence.

    `after` is the segment that they go on from, by its number; None where sequences begin.
    """

    length: int
    position: int = 0
    after: int | None = None


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """`rows` in the order of the segments that end them; no label is read before these."""

    rows: tuple[EncodedRow, ...]
    segments: tuple[Segment, ...]

    @property
    def tokens(self) -> int:
        """How many tokens are read."""
        return sum(segment.length for segment in self.segments)


def prefix_tree(rows: Sequence[EncodedRow]) -> PrefixTree:
    """The rows' sequences, what the prompts of several begin with alike once where that pays.

    The last token of a prompt is never shared: it is what the first label is predicted from.
    """
    prompts = [tuple(row.ids[: max(0, row.prompt_length - 1)]) for row in rows]
    order = sorted(range(len(rows)), key=lambda index: (prompts[index], index))
    ordered: list[EncodedRow] = []
    segments: list[Segment] = []
    # rows that begin alike, how many of their tokens are read, and the last segment of these
    runs: list[tuple[list[int], int, int | None]] = [(order, 0, None)]
    while runs:
        run, begin, after = runs.pop()
        if len(run) == 1:
            row = rows[run[0]]
            ordered.append(row)
            segments.append(Segment(len(row.ids) - begin, begin, after))
            continue
        alike = _alike(prompts[run[0]], prompts[run[-1]])  # in order, so all between begin like these two
        spared = (alike - begin) * (len(run) - 1)
        # an item's question is shared on behind a system prompt however short: a pack reads no more than its items apart
        of_one = (
            begin > 0 and spared > 0 and bool(rows[run[0]].item) and len({rows[n].item for n in run}) == 1
        )
        if spared >= LEAST or of_one:
            segments.append(Segment(alike - begin, begin, after))
            begin, after = alike, len(segments) - 1
        parts: dict[Prompt, list[int]] = {}
        for index in run:
            parts.setdefault(prompts[index][alike : alike + 1], []).append(index)
        same = len(parts) == 1  # one prompt for all
        further = [[index] for index in run] if same else list(parts.values())
        runs += [(part, begin, after) for part in reversed(further)]
    return PrefixTree(tuple(ordered), tuple(segments))


def alone(row: EncodedRow) -> PrefixTree:
    """A row that shares nothing."""
    return PrefixTree((row,), (Segment(len(row.ids)),))


def units(rows: Sequence[EncodedRow], most: int) -> list[PrefixTree]:
    """What stays together in a micro-batch: the rows of an item, which stand side by side, as many as `most` tokens hold."""
    found: list[PrefixTree] = []
    for row in rows:
        if found and row.item and found[-1].rows[0].item == row.item:
            longer = prefix_tree([*found[-1].rows, row])
            if longer.tokens <= most:
                found[-1] = longer
                continue
        found.append(alone(row))
    return found


def sequences(segments: Sequence[Segment]) -> Iterator[list[range]]:
    """For each sequence, in order, where its tokens stand: ranges of places in the packed row."""
    starts = []
    total = 0
    for segment in segments:
        starts.append(total)
        total += segment.length
    followed = {segment.after for segment in segments}
    for number in range(len(segments)):
        if number not in followed:
            path = list(path_to(segments, number))
            yield [range(starts[step], starts[step] + segments[step].length) for step in reversed(path)]


def path_to(segments: Sequence[Segment], number: int) -> Iterator[int]:
    """The segment and those that it goes on from, the nearest first."""
    step: int | None = number
    while step is not None:
        yield step
        step = segments[step].after


def _alike(one: Prompt, other: Prompt) -> int:
    """How many tokens two prompts begin with alike."""
    low, high = 0, min(len(one), len(other))
    while low < high:  # by halves: comparing slices is fast
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
