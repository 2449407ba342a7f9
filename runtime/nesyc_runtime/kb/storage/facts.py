"""Facts that are written in the text of a KB, typed and with their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.storage.values import BadValue, to_column

Enums = Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class SourceRow:
    """`values` in column order, texts not yet interned; `owner` is `source:FILE`."""

    values: tuple[Any, ...]
    conf: float
    origin: str
    owner: str
    line: int


def source_facts(facts: Iterable[config.Fact], relation: RelationPlan, enums: Enums) -> Iterator[SourceRow]:
    """The facts of one relation written in the text; raises `UserError` with the place of one that does not fit."""
    for fact in facts:
        place = f"{fact.location.file}:{fact.location.line}"
        given = list(fact.values)
        columns = [c for c in relation.columns if not c.computed or len(given) == len(relation.columns)]
        if len(given) != len(columns):
            raise UserError(
                f"`{relation.name}` has {len(columns)} columns, found {len(given)} values",
                code="E0301",
                span=fact.location.model_dump(),
            )
        by_name = {column.name: value for column, value in zip(columns, given, strict=True)}
        values = typed(by_name, relation.columns, enums, place)
        yield SourceRow(
            values, fact.confidence, fact.origin, f"source:{fact.location.file}", fact.location.line
        )


def typed(
    values: Mapping[str, Any], columns: Sequence[ColumnPlan], enums: Enums, place: str
) -> tuple[Any, ...]:
    """The values of a row in column order; raises `UserError` naming place and column."""
    row = []
    for column in columns:
        try:
            row.append(to_column(values.get(column.name), column, enums))
        except BadValue as error:
            raise UserError(
                f"{place}: E0302: column `{column.name}` {error}", "mend the row, or leave it out"
            ) from None
    return tuple(row)
