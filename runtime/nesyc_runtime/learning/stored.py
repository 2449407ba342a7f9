"""Learning from probabilities that lie beside the rows; those that a server told when it answered are matched with the student's tokens.

Only where both cut the same text into the same pieces is there something to compare. The student's response is the
teacher's rationale and the answer stated anew, so the two texts part somewhere: from there on the label alone counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from nesyc_runtime.learning.token_bytes import token_bytes
from nesyc_runtime.teachers.likely import Likely

if TYPE_CHECKING:
    from nesyc_runtime.learning.encoding import EncodedItems, EncodedRow

ENOUGH = 0.5  # share of an answer's tokens that have to match: other tokenizers match by chance at most


class RowTargets(Protocol):
    """What a teacher told of the n label tokens of a row, at most `k` for each.

    `known` (n,) bool; `top` (n, k) int32, ids of the student's vocabulary, -1 where there is none; `log_p` (n, k) float16
    or float32. What `top` does not name is the tail.
    """

    @property
    def k(self) -> int: ...
    @property
    def known(self) -> Tensor: ...
    @property
    def top(self) -> Tensor: ...
    @property
    def log_p(self) -> Tensor: ...


@dataclass(frozen=True)
class Targets:
    """`RowTargets` in memory."""

    known: Tensor
    top: Tensor
    log_p: Tensor

    @property
    def k(self) -> int:
        return self.top.shape[1]


@dataclass(frozen=True, slots=True)
class StoredTeacher:
    """Stands where a `FrozenTeacher` would: its probabilities lie beside the rows. They are of the student's first `vocabulary`
    tokens, where that is told."""

    vocabulary: int | None = None


def with_targets(
    items: EncodedItems, told: Sequence[Likely | None], tokenizer: Any
) -> tuple[EncodedItems, float]:
    """The rows with their targets, and which share of the text that teacher and rows have in common they cover.

    `told` has for each item what the teacher told of its rationale.
    """
    vocabulary = token_bytes(tokenizer)
    ids = {token: id_ for id_, token in reversed(list(enumerate(vocabulary))) if token}
    covered = same = 0

    def of(row: EncodedRow, likely: Likely) -> EncodedRow:
        nonlocal covered, same
        response = [vocabulary[id_] for id_ in row.ids[row.prompt_length :]]
        found, common, targets = align(likely, response, ids)
        covered, same = covered + found, same + common
        return replace(row, targets=targets) if found else row

    aligned = tuple(
        item if likely is None else tuple(of(row, likely) for row in item)
        for item, likely in zip(items.items, told, strict=True)
    )
    return replace(items, items=aligned), covered / same if same else 0.0


def targets_of(rows: Sequence[EncodedRow], device: torch.device) -> Targets:
    """The targets of rows one after another, as label positions stand in a micro-batch; float32 and int64."""
    given = [row.targets for row in rows]
    width = max((targets.k for targets in given if targets is not None), default=1)
    count = sum(row.label_tokens for row in rows)
    known, top = torch.zeros(count, dtype=torch.bool), torch.full((count, width), -1)
    log_p, start = torch.zeros(count, width), 0
    for row, targets in zip(rows, given, strict=True):
        end = start + row.label_tokens
        if targets is not None:
            likeliest = targets.top
            known[start:end] = targets.known
            top[start:end, : likeliest.shape[1]] = likeliest
            log_p[start:end, : likeliest.shape[1]] = targets.log_p
        start = end
    return Targets(known.to(device), top.to(device), log_p.to(device))


def align(likely: Likely, response: Sequence[bytes], ids: Mapping[bytes, int]) -> tuple[int, int, Targets]:
    """How many bytes of a response given as tokens have targets, how many both texts begin with, and the targets.

    A position is known where a token of the teacher has the very bytes of the student's token at the same place of the
    text, spaces before the first word apart.
    """
    theirs = [likely.tokens[index] for index in likely.chosen]
    said = b"".join(theirs)
    wrote = b"".join(response)
    begin_theirs, begin_ours = len(said) - len(said.lstrip()), len(wrote) - len(wrote.lstrip())
    same = _common(said[begin_theirs:], wrote[begin_ours:])
    places = {}
    at = -begin_theirs
    for index, token in enumerate(theirs):
        places[at, at + len(token)] = index
        at += len(token)
    width = likely.top.shape[1]
    known = torch.zeros(len(response), dtype=torch.bool)
    top = torch.full((len(response), width), -1)
    log_p = torch.zeros(len(response), width)
    translated = torch.tensor([ids.get(token, -1) for token in likely.tokens])
    at, covered = -begin_ours, 0
    for position, token in enumerate(response):
        index = places.get((at, at + len(token)), -1) if token else -1
        at += len(token)
        if index < 0 or at > same:
            continue
        row = torch.from_numpy(likely.top[index]).long()
        known[position] = True
        top[position] = torch.where(row >= 0, translated[row.clamp_min(0)], -1)
        log_p[position] = torch.from_numpy(likely.log_p[index])
        covered += len(token)
    return covered, same, Targets(known, top.to(torch.int32), log_p.half())


def _common(left: bytes, right: bytes) -> int:
    """How many bytes both begin with."""
    length = min(len(left), len(right))
    return next((place for place in range(length) if left[place] != right[place]), length)
