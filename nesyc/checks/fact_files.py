"""Fact files, read row by row and checked against the relation they fill."""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nesyc.checks.messages import one_of
from nesyc.checks.scope import ColumnInfo, EnumInfo, RelationInfo
from nesyc.checks.types import fits_integer, is_date
from nesyc.diagnostics import Diagnostic, Help, Related, counted, near_names
from nesyc.diagnostics.span import Span

MOST_PROBLEMS = 5
_BOOLS = {"true": True, "false": False, "1": True, "0": False}


class BadValueError(Exception):
    """A value that its column does not take; `code` and `message` say why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass(slots=True)
class FactReader:
    """Reads one file; mistakes gather in `problems`, at the place where the spec names the file (`span`).

    `called`: what the file calls a column, where it is not its own name. Not `strict`: rows that do not fit are the loader's business.
    """

    relation: RelationInfo
    enums: Mapping[str, EnumInfo]
    path: Path
    shown: str
    span: Span
    problems: list[Diagnostic]
    called: Mapping[str, str] = field(default_factory=dict)
    strict: bool = True
    bad_rows: int = 0

    def rows(self, format_: str, *, limit: int) -> Iterator[tuple[int, tuple[Any, ...]]]:
        """(line, values in column order) of every sound row among the first `limit`; the columns are checked anyway."""
        try:
            records = self._csv() if format_ == "csv" else self._jsonl()
            for count, (line, record) in enumerate(records):
                if count >= limit:
                    break
                values = self._convert(line, record)
                if values is not None:
                    yield line, values
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            if isinstance(error, csv.Error) and not self.strict:
                return
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self._problem("E0205", f"`{self.shown}` cannot be read: {_plain(reason)}")
        if self.bad_rows > MOST_PROBLEMS:
            last = self.problems.pop()
            more = f"and {self.bad_rows - MOST_PROBLEMS} more rows like this"
            self.problems.append(
                Diagnostic(
                    last.code,
                    last.message,
                    last.span,
                    last.label,
                    last.related,
                    (*last.notes, more),
                    last.help,
                )
            )

    def _csv(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self.path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = next(reader, [])
            if not self._check_columns(header):
                return
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    self._row_problem(
                        "E0301",
                        reader.line_num,
                        f"{counted(len(row), 'field')}, the header has {len(header)}",
                    )
                    continue
                cells = map(_exported, row) if header[0] == "_export" else row
                yield reader.line_num, dict(zip(header, cells, strict=True))

    def _jsonl(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with self.path.open(encoding="utf-8-sig") as stream:
            checked = exported = False
            for line, text in enumerate(stream, 1):
                if not text.strip():
                    continue
                try:
                    record = json.loads(text)
                except (ValueError, RecursionError):
                    self._row_problem("E0302", line, "this line is no JSON")
                    continue
                if not isinstance(record, dict):
                    self._row_problem("E0302", line, "this line is no JSON object")
                    continue
                if "nesyc kb export" in record:
                    exported = True
                    continue
                if exported:
                    if record.get("relation") != self.relation.name or not isinstance(
                        record.get("values"), dict
                    ):
                        continue
                    record = record["values"]
                if not checked and not self._check_columns(list(record), all_named=False):
                    return
                checked = True
                yield line, record

    def _check_columns(self, names: list[str], *, all_named: bool = True) -> bool:
        """E0505 for each column the file lacks; computed ones may be absent, and nullable ones that `columns` does not name.

        `names` are all of the file's columns, or with `all_named` off those of one of its rows.
        """
        missing = [
            column
            for column in self.relation.columns
            if self._called(column) not in names
            and not column.computed
            and (not column.type.nullable or (all_named and column.name in self.called))
        ]
        for column in missing:
            near = near_names(self._called(column), names)
            related = (Related(column.span, "column declared here"),) if column.span else ()
            self.problems.append(
                Diagnostic(
                    "E0505",
                    f"`{_plain(self.shown)}` has no column `{_plain(self._called(column))}`",
                    self.span,
                    label=f"`{self.relation.name}` needs `{column.name}`",
                    related=related,
                    notes=(f"its columns are {', '.join(_plain(name) for name in names[:20])}",)
                    if names
                    else (),
                    help=Help(f"rename {one_of(f'`{_plain(name)}`' for name in near)} in the file")
                    if near
                    else None,
                )
            )
        return not missing

    def _called(self, column: ColumnInfo) -> str:
        return self.called.get(column.name, column.name)

    def _convert(self, line: int, record: Mapping[str, Any]) -> tuple[Any, ...] | None:
        values = []
        for column in self.relation.columns:
            try:
                values.append(convert(record.get(self._called(column)), column, self.enums))
            except BadValueError as error:
                self._row_problem(error.code, line, f"column `{column.name}`: {error.message}")
                return None
        return tuple(values)

    def _row_problem(self, code: str, line: int, message: str) -> None:
        if not self.strict:
            return
        self.bad_rows += 1
        if self.bad_rows <= MOST_PROBLEMS:
            self._problem(code, f"{self.shown}:{line}: {message}")

    def _problem(self, code: str, message: str) -> None:
        related = (
            (Related(self.relation.span, f"`{self.relation.name}` is declared here"),)
            if self.relation.span
            else ()
        )
        self.problems.append(Diagnostic(code, message, self.span, label="in this file", related=related))


def _exported(cell: str) -> str | None:
    """What a cell stands for in a CSV file that `nesyc kb export` wrote."""
    if cell == "\\N":
        return None
    return cell[1:] if cell.startswith("\\\\") else cell


def convert(value: Any, column: ColumnInfo, enums: Mapping[str, EnumInfo]) -> Any:
    """A field of a file as a value of its column. Raises `BadValueError`."""
    type_ = column.type
    if value is None or (value == "" and type_.base != "text"):
        if type_.nullable or column.computed:
            return None
        raise BadValueError("E0302", "no value, and the column is not nullable")
    match type_.base:
        case "enum":
            enum = enums[type_.enum or ""]
            if isinstance(value, str) and enum.has(value):
                return value
            near = near_names(str(value), enum.constants)
            hint = f"; did you mean {one_of(near)}?" if near else ""
            raise BadValueError("E0303", f"`{_plain(str(value))}` is not a value of {enum.name}{hint}")
        case "text":
            if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                return str(value)
        case "int":
            return _integer(value)
        case "number" | "usd":
            return _number(value)
        case "bool":
            found = value if isinstance(value, bool) else _BOOLS.get(str(value).strip().lower())
            if found is not None:
                return found
        case "date":
            if isinstance(value, str) and is_date(value):
                return value
        case "vector":
            return _vector(value, type_.size)
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    raise BadValueError("E0302", f"`{_plain(str(value))}` is not {type_.base}")


def _integer(value: Any) -> int:
    try:
        if not isinstance(value, (bool, float)) and fits_integer(found := int(value)):
            return found
    except (TypeError, ValueError):
        pass
    raise BadValueError("E0302", f"`{_plain(str(value))}` is not int")


def _number(value: Any) -> float:
    try:
        found = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        found = math.nan
    if not math.isfinite(found):
        raise BadValueError("E0302", f"`{_plain(str(value))}` is not a number")
    return found


def _vector(value: Any, size: int | None) -> str:
    try:
        items = json.loads(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        items = None
    if not isinstance(items, list):
        raise BadValueError("E0302", "not a list of numbers")
    numbers = [_number(item) for item in items]
    if size is not None and len(numbers) != size:
        raise BadValueError("E0306", f"a vector of {counted(len(numbers), 'number')}, the column has {size}")
    return json.dumps(numbers)


def file_hash(path: Path) -> str:
    """SHA-256 of the file's bytes, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _plain(text: str) -> str:
    """What a file wrote, safe to show: short, and without control characters."""
    shown = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text
    )
    return shown if len(shown) <= 60 else f"{shown[:60]}..."
