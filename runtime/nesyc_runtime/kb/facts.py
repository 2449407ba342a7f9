"""Rows of the source: facts written in the text and those of fact files, typed and with their place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.values import BadValue, to_column
from nesyc_runtime.records import Record, read_file

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
                f"{place}: E0301: `{relation.name}` has {len(columns)} columns, found {len(given)} values"
            )
        by_name = {column.name: value for column, value in zip(columns, given, strict=True)}
        values = typed(by_name, relation.columns, enums, place)
        yield SourceRow(
            values, fact.confidence, fact.origin, f"source:{fact.location.file}", fact.location.line
        )


def file_facts(
    file: config.FactFile, path: Path, relation: RelationPlan, enums: Enums
) -> Iterator[SourceRow]:
    """The rows of a fact file, one at a time; further columns of the file are ignored.

    Raises `UserError` with file and line for what cannot be read, and E0505 where a column is missing.
    """
    shown = f"@{file.path.root}/{file.path.pattern}" if file.path.root else file.path.pattern
    for index, record in enumerate(_records(file, path, shown, relation)):
        required = [c for c in relation.columns if not (c.nullable or c.computed)]
        if index == 0 and (missing := [c.name for c in required if c.name not in record.values]):
            raise UserError(
                f"{record.place}: E0505: column `{missing[0]}` of `{relation.name}` is missing in {shown}",
                f"the file has {', '.join(map(str, list(record.values)[:12]))}",
            )
        values = typed(record.values, relation.columns, enums, record.place)
        yield SourceRow(values, file.confidence, "human", f"source:{shown}", line_of(record.place))


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


def line_of(place: str) -> int:
    """The line, or one more than the index, of a record's place (`file:3`, `file[2]`)."""
    if place.endswith("]"):
        return int(place[place.rindex("[") + 1 : -1]) + 1
    return int(place.rpartition(":")[2])


def _records(file: config.FactFile, path: Path, shown: str, relation: RelationPlan) -> Iterator[Record]:
    if file.format == "triples":
        return _triples(path, shown, relation)
    return read_file(path, shown, file.format)


def _triples(path: Path, shown: str, relation: RelationPlan) -> Iterator[Record]:
    """`head<TAB>relation<TAB>tail` lines, put into the first three columns in that order."""
    names = [column.name for column in relation.columns]
    if len(names) != 3:
        raise UserError(f"{shown}: triples need a relation of 3 columns, `{relation.name}` has {len(names)}")
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                cells = line.rstrip("\r\n").split("\t")
                if cells == [""]:
                    continue
                if len(cells) != 3:
                    raise UserError(
                        f"{shown}:{number}: found {len(cells)} cells, expected head, relation, tail"
                    )
                yield Record(dict(zip(names, cells, strict=True)), f"{shown}:{number}")
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{shown}: cannot be read: {error.strerror or error}") from None
