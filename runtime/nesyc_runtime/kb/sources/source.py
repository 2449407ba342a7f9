"""A fact file and what its readers give: cells in the order of the relation's columns, or a row that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan


@dataclass(frozen=True, slots=True)
class Bad:
    """A row that cannot be read: its number, why, and what stands there."""

    number: int
    reason: str
    raw: Any


Found = Iterator[tuple[int, Sequence[Any]] | Bad]
"""Rows by number (a line, or counted from 1), their cells in the order of `Source.wanted`."""


@dataclass(frozen=True)
class Source:
    """A file that fills a relation; `shown` is its name in messages."""

    file: config.FactFile
    path: Path
    shown: str
    relation: RelationPlan

    @property
    def owner(self) -> str:
        return f"source:{self.shown}"

    @cached_property
    def columns(self) -> tuple[ColumnPlan, ...]:
        """The columns that a file fills."""
        return tuple(column for column in self.relation.columns if not column.computed)

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """What each column is called in the file."""
        return tuple(self.file.columns.get(column.name, column.name) for column in self.columns)

    def place(self, number: int) -> str:
        """Where a row stands, for messages."""
        return f"{self.shown}:{number}"

    def require(self, names: Sequence[str], number: int, *, all_named: bool = True) -> None:
        """Raises `UserError` (E0505) where the file lacks a column that must have values, or one that the spec names.

        `names` are all of the file's columns, or with `all_named` off those of one of its rows.
        """
        for column, wanted in zip(self.columns, self.wanted, strict=False):
            needed = not column.nullable or (all_named and column.name in self.file.columns)
            if needed and wanted not in names:
                shown = printable(", ".join(names[:12]), 200)
                raise UserError(
                    f"{self.place(number)}: E0505: column `{wanted}` of `{self.relation.name}` is missing in {self.shown}",
                    f"the file has {shown}" if names else "the file has no columns",
                )
