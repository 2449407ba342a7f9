"""Where each relation of a KB lies in the store: table and column names, and what a column holds.

Names with a dot cannot be names of the language, so nothing internal collides with a relation. SQLite
folds case in names and the language does not, so names that differ in case alone get a `_`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nesyc.ir import nodes

SYMBOLS = "nesyc.symbol"
STATE = "nesyc.state"
CLAIMS = "nesyc.claim"
REJECTED = "nesyc.rejected"
PROOFS = "nesyc.proof"
LEAVES = "nesyc.leaf"

ROW = "_row"
IMPLICIT = ("conf", "origin", "status", "owner")
HIDDEN = (ROW, *IMPLICIT, "written", "line", "provenance", "rowid", "oid", "_rowid_")


@dataclass(frozen=True, slots=True)
class Column:
    """`column` is its name in the tables; `interned` where it holds an id of the symbol table."""

    name: str
    column: str
    type: nodes.Type
    interned: bool


@dataclass(frozen=True, slots=True)
class Table:
    """`rows` holds every row, `reads` what rules and queries see: the winners where `unique ... resolve` picks."""

    relation: nodes.Relation
    view: str
    rows: str
    reads: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        return self.relation.name

    @property
    def resolved(self) -> bool:
        return self.reads != self.rows

    @property
    def prefix(self) -> str:
        """What the names of its tables begin with."""
        return self.rows.removesuffix(".rows")

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


@dataclass(frozen=True, slots=True)
class Layout:
    """`weighted`: rows of derived relations carry a confidence (every semantics but boolean)."""

    kb: nodes.Kb
    tables: Mapping[str, Table]
    enums: Mapping[str, str]
    weighted: bool


def lay_out(kb: nodes.Kb) -> Layout:
    names = distinct(relation.name for relation in kb.relations)
    tables = {
        relation.name: _table(relation, name) for relation, name in zip(kb.relations, names, strict=True)
    }
    enums = [enum.name for enum in kb.enums]
    stored = [f"{name}.enum" for name in distinct(enums)]
    return Layout(kb, tables, dict(zip(enums, stored, strict=True)), kb.semantics.kind != "boolean")


def _table(relation: nodes.Relation, name: str) -> Table:
    resolved = relation.unique is not None and relation.unique.resolve is not None
    # SQLite keeps names that begin with `sqlite_` to itself
    view = prefix = f"rel.{name}" if name.casefold().startswith("sqlite_") else name
    columns = distinct((column.name for column in relation.columns), HIDDEN)
    return Table(
        relation,
        view,
        f"{prefix}.rows",
        f"{prefix}.{'winners' if resolved else 'rows'}",
        tuple(
            Column(column.name, stored, column.type, _interned(relation, column))
            for column, stored in zip(relation.columns, columns, strict=True)
        ),
    )


def _interned(relation: nodes.Relation, column: nodes.KbColumn) -> bool:
    """Text that joins is interned; long text that is searched by its words stays text."""
    return column.type.base == "enum" or (column.type.base == "text" and column.name not in relation.fulltext)


def distinct(names: Iterable[str], taken: Iterable[str] = ()) -> list[str]:
    """The names, with `_` added to those that SQLite would take for an earlier one."""
    seen = {name.casefold() for name in taken}
    result = []
    for name in names:
        while name.casefold() in seen:
            name += "_"
        seen.add(name.casefold())
        result.append(name)
    return result
