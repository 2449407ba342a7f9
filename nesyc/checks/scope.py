"""What a rule, a fact or a query may speak about: relations with typed columns, and enums.

Spans are None where a scope was made from a compiled spec instead of its source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.checks.types import UNKNOWN, Type
from nesyc.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class EnumInfo:
    name: str
    constants: tuple[str, ...]
    span: Span | None = None

    def has(self, constant: str) -> bool:
        """Whether it has this constant; an enum without any, which is reported, may have any."""
        return constant in self.constants or not self.constants


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """`references` names the relation a foreign key points at; a `computed` column is filled by an embedder."""

    name: str
    type: Type
    span: Span | None = None
    references: str | None = None
    computed: bool = False


@dataclass(frozen=True, slots=True)
class RelationInfo:
    """`resolve` is the rule that picks winners of `unique`, None where a second row is an error."""

    name: str
    derived: bool
    columns: tuple[ColumnInfo, ...]
    span: Span | None = None
    key: tuple[str, ...] = ()
    unique: tuple[str, ...] = ()
    resolve: str | None = None
    fulltext: tuple[str, ...] = ()
    nearest: str | None = None
    provenance_required: bool = False

    def column(self, name: str) -> ColumnInfo | None:
        """The column of that name, if there is one."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class RuleScope:
    """`text_enums`: a quoted string stands for an enum constant (queries typed in a shell)."""

    kb: str
    relations: Mapping[str, RelationInfo]
    enums: Mapping[str, EnumInfo]
    text_enums: bool = False

    def column_type(self, relation: str, position: int) -> Type:
        """The type of a relation's column; unknown where the relation or the column is."""
        found = self.relations.get(relation)
        if found is None or position >= len(found.columns):
            return UNKNOWN
        return found.columns[position].type
