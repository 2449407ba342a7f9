"""Rows of the source in batches, typed column by column: what fits is converted at once, what does not is said row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice, repeat
from typing import Any

from nesyc_runtime.kb.sources.source import Bad, Found, Source
from nesyc_runtime.kb.storage.facts import SourceRow
from nesyc_runtime.kb.storage.program import ColumnPlan
from nesyc_runtime.kb.storage.values import BadValue, to_column, to_columns

Enums = Mapping[str, tuple[str, ...]]
Reject = Callable[[Source, Bad], None]
BATCH = 5000


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one owner; `columns` in the relation's order, texts not yet interned."""

    columns: Sequence[Sequence[Any]]
    lines: Sequence[int]
    confs: Sequence[float]
    origin: str
    owner: str


def text_batches(rows: Iterable[SourceRow]) -> Iterator[Batch]:
    """Facts that are written in the text."""
    for (owner, origin), group in groupby(rows, key=lambda row: (row.owner, row.origin)):
        while some := list(islice(group, BATCH)):
            columns = list(zip(*(row.values for row in some), strict=True))
            yield Batch(columns, [row.line for row in some], [row.conf for row in some], origin, owner)


def file_batches(source: Source, found: Found, enums: Enums, reject: Reject) -> Iterator[Batch]:
    """The sound rows of a file; the others go to `reject`, in their order within each batch."""
    while read := list(islice(found, BATCH)):
        bad = [row for row in read if isinstance(row, Bad)]
        rows = [row for row in read if not isinstance(row, Bad)] if bad else read
        numbers, cells = zip(*rows, strict=True) if rows else ((), ())
        columns, wrong = _typed(source, list(zip(*cells, strict=True)), enums)
        if wrong:
            bad += (
                Bad(numbers[i], reason, dict(zip(source.wanted, cells[i], strict=True)))
                for i, reason in wrong.items()
            )
            columns = [[v for i, v in enumerate(values) if i not in wrong] for values in columns]
            numbers = tuple(n for i, n in enumerate(numbers) if i not in wrong)
        for row in sorted(bad, key=lambda row: row.number):
            reject(source, row)
        if numbers:
            yield _batch(source, columns, numbers)


def _batch(source: Source, columns: Sequence[Sequence[Any]], numbers: Sequence[int]) -> Batch:
    given = iter(columns)
    nothing = list(repeat(None, len(numbers)))
    placed = [nothing if column.computed else next(given) for column in source.relation.columns]
    confs = list(repeat(source.file.confidence, len(numbers)))
    return Batch(placed, numbers, confs, "human", source.owner)


def _typed(
    source: Source, columns: Sequence[Sequence[Any]], enums: Enums
) -> tuple[list[Sequence[Any]], dict[int, str]]:
    """The columns as their types have them, and the rows, by place, in which a value is not of its type."""
    typed: list[Sequence[Any]] = []
    wrong: dict[int, str] = {}
    for column, values in zip(source.columns, columns, strict=False):
        quick = to_columns(values, column, enums)
        typed.append(_one_by_one(values, column, enums, wrong) if quick is None else quick)
    return typed, wrong


def _one_by_one(
    values: Sequence[Any], column: ColumnPlan, enums: Enums, wrong: dict[int, str]
) -> Sequence[Any]:
    typed = []
    for place, value in enumerate(values):
        try:
            typed.append(to_column(value, column, enums))
        except BadValue as error:
            typed.append(None)
            wrong.setdefault(place, f"E0302: column `{column.name}` {error}")
    return typed
