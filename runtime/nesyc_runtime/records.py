"""Records of data files: jsonl, csv, parquet and json, read one by one with their place."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable


@dataclass(frozen=True, slots=True)
class Record:
    """A row as its source gives it; `place` is file and line (or index), for messages."""

    values: Mapping[str, Any]
    place: str


def read_file(
    file: Path, shown: str, format: Literal["jsonl", "csv", "parquet", "json"], at: str | None = None
) -> Iterator[Record]:
    """The records of one file; `shown` is its name in messages, `at` the key of the list in a json file.

    Raises `UserError` with file and line where a record cannot be read.
    """
    try:
        match format:
            case "jsonl":
                yield from _read_jsonl(file, shown)
            case "csv":
                yield from _read_csv(file, shown)
            case "parquet":
                yield from _read_parquet(file, shown)
            case "json":
                yield from _read_json(file, shown, at)
    except UnicodeDecodeError as error:
        raise UserError(f"{shown}: not UTF-8 text (byte {error.start})", "save the file as UTF-8") from None
    except OSError as error:
        raise UserError(f"{shown}: cannot be read: {error.strerror or error}") from None


def _record(value: Any, place: str) -> Record:
    if not isinstance(value, dict):
        raise UserError(f"{place}: found {printable(repr(value), 60)}, expected an object {{...}}")
    return Record(value, place)


def _loads(text: str, place: str) -> Any:
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{place}: not JSON: {printable(str(error), 100)}", "mend or remove the line"
        ) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _read_jsonl(file: Path, shown: str) -> Iterator[Record]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                place = f"{shown}:{number}"
                yield _record(_loads(line, place), place)


def _read_json(file: Path, shown: str, at: str | None) -> Iterator[Record]:
    value = _loads(file.read_text(encoding="utf-8-sig"), shown)
    for key in at.split(".") if at else ():
        if not isinstance(value, dict) or key not in value:
            raise UserError(f"{shown}: there is no `{key}` (at = {at!r})")
        value = value[key]
    if not isinstance(value, list):
        where = f"`{at}`" if at else "the file"
        raise UserError(f"{shown}: {where} is not a list", 'name the list inside the file: at = "examples"')
    for index, item in enumerate(value):
        yield _record(item, f"{shown}[{index}]")


def _read_csv(file: Path, shown: str) -> Iterator[Record]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, strict=True)
        try:
            header = next(reader, None)
            if header is None:
                raise UserError(f"{shown}: empty file, the first line should name the columns")
            for cells in reader:
                if not cells:
                    continue
                place = f"{shown}:{reader.line_num}"
                if len(cells) != len(header):
                    raise UserError(f"{place}: {len(cells)} cells, the header names {len(header)} columns")
                yield Record(dict(zip(header, cells, strict=True)), place)
        except csv.Error as error:
            raise UserError(f"{shown}:{reader.line_num}: not CSV: {error}") from None


def _read_parquet(file: Path, shown: str) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    try:
        index = 0
        for batch in parquet.ParquetFile(file).iter_batches():
            for values in batch.to_pylist():
                yield Record(values, f"{shown}[{index}]")
                index += 1
    except pyarrow.ArrowException as error:
        raise UserError(f"{shown}: not a parquet file: {printable(str(error), 100)}") from None
