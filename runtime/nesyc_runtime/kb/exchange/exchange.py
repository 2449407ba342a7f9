"""Entries of a KB on their way out to files and back: what is exported, and what an export says of itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.kb.storage.values import from_column


@dataclass(frozen=True, slots=True)
class ExportedRow:
    """A stored row; `values` by column without computed ones, `conf` as written, before any ceiling."""

    relation: str
    values: Mapping[str, Any]
    conf: float
    status: str
    owner: str
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """Rows of `relations` as they were after `change`; with `everything` the source's are among them."""

    kb: str
    change: int
    relations: tuple[str, ...]
    everything: bool
    rows: Sequence[ExportedRow]


@dataclass(frozen=True, slots=True)
class EditedRow:
    """A row as an edited file has it; `conf` and `status` are None where the file does not say."""

    relation: str
    values: Mapping[str, Any]
    conf: float | None
    status: str | None
    place: str


@dataclass(frozen=True, slots=True)
class Edited:
    """A file that was exported after `change` and edited since; `rules` are texts by name."""

    kb: str
    change: int
    relations: tuple[str, ...]
    everything: bool
    rows: Sequence[EditedRow]
    rules: Mapping[str, str] = field(default_factory=dict)


class Compiler(Protocol):
    """What reading an edited .nesy file needs of the compiler."""

    def read_fragment(self, text: str, file: str) -> tuple[Sequence[EditedRow], Mapping[str, str]]:
        """The facts of a `fragment of KB` and the texts of its rules by name; ends the command where it has errors."""


def export_rows(store: Store, relations: Collection[str] = (), *, everything: bool = False) -> Export:
    """The stored rows of `relations` (all, where none is named) that stages and people wrote; with `everything`
    the source's too. Raises `UserError` for an unknown relation and a derived one.
    """
    for name in relations:
        if store.relation(name).derived:
            raise UserError(
                f"`{name}` is derived by rules: there is nothing in it to edit",
                "as parquet, tsv, nt, ttl or sqlite what is derived is written too, for other tools",
            )
    plans = [p for p in store.program.relations if not p.derived and (not relations or p.name in relations)]
    with store.reading():
        change = store.execute('SELECT ifnull(max(id), 0) FROM "nesyc.change"').fetchone()[0]
        rows = [row for plan in plans for row in _rows(store, plan, everything)]
    return Export(store.kb.name, change, tuple(plan.name for plan in plans), everything, rows)


def _rows(store: Store, plan: RelationPlan, everything: bool) -> list[ExportedRow]:
    kept = "" if everything else "WHERE o.text NOT LIKE 'source:%'"
    columns = ", ".join(f"r.{quote(column.column)}" for column in plan.columns)
    found = store.execute(
        f"SELECT {columns}, r.written, s.text, o.text, r.line FROM {quote(plan.rows)} AS r "
        f'JOIN "nesyc.symbol" AS s ON s.id = r.status JOIN "nesyc.symbol" AS o ON o.id = r.owner {kept} ORDER BY r._row'
    ).fetchall()
    return [ExportedRow(plan.name, _values(store, plan, row), *row[len(plan.columns) :]) for row in found]


def _values(store: Store, plan: RelationPlan, row: Sequence[Any]) -> dict[str, Any]:
    return {
        column.name: store.text(value)
        if column.interned and value is not None
        else from_column(value, column.base)
        for column, value in zip(plan.columns, row, strict=False)
        if not column.computed
    }


def key_names(store: Store, relation: str) -> tuple[str, ...]:
    """The columns that tell rows apart: the key, else all that are not computed."""
    columns = store.relation(relation).columns
    return tuple(c.name for c in columns if c.key) or tuple(c.name for c in columns if not c.computed)
