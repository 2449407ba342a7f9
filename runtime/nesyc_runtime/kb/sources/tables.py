"""Fact files with named columns: CSV, JSON Lines, Parquet. All are read as streams."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.exchange.exported import CSV_HEAD, HEAD, csv_value
from nesyc_runtime.kb.sources.source import Bad, Found, Source


def read_csv(source: Source) -> Found:
    """Lines under a header; a line that is no CSV is a bad row, and so is one of another length.

    A file that `nesyc kb export` wrote says so in its header, and what its cells stand for.
    """
    with source.path.open(encoding="utf-8-sig", newline="") as text:
        lines = _Lines(text)
        reader = csv.reader(lines, strict=True)
        header = _header(source, reader)
        width = len(header)
        exported = header[:1] == [CSV_HEAD]
        places = [header.index(name) if name in header else None for name in source.wanted]
        for cells in _lines(reader, lines):
            if isinstance(cells, Bad):
                yield cells
            elif len(cells) == width:
                picked: list[Any] = [None if at is None else cells[at] for at in places]
                yield reader.line_num, list(map(csv_value, picked)) if exported else picked
            elif cells:
                reason = f"{len(cells)} cells, the header names {width} columns"
                yield Bad(reader.line_num, reason, cells)


class _Lines:
    """Lines of a file, the last one kept: what stands there where it cannot be read."""

    def __init__(self, text: Iterable[str]) -> None:
        self._text = iter(text)
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.last = next(self._text)
        return self.last


def _header(source: Source, reader: Any) -> list[str]:
    try:
        header = next(reader, None)
    except csv.Error as error:
        raise UserError(f"{source.place(1)}: not CSV: {error}") from None
    if header is None:
        raise UserError(f"{source.shown}: empty file, the first line should name the columns")
    source.require(header, 1)
    return list(header)


def _lines(reader: Any, lines: _Lines) -> Iterator[list[str] | Bad]:
    while True:
        try:
            yield from reader
            return
        except csv.Error as error:
            yield Bad(reader.line_num, f"not CSV: {error}", lines.last.rstrip("\r\n"))


def read_jsonl(source: Source) -> Found:
    """One object a line. The first one says whether a column is missing. Of an export, the rows of the relation."""
    first, exported = True, False
    with source.path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            value = _object(line, number)
            if isinstance(value, Bad):
                yield value
                continue
            if HEAD in value:
                exported = True
                continue
            if exported:
                if value.get("relation") != source.relation.name or not isinstance(value.get("values"), dict):
                    continue
                value = value["values"]
            if first:
                source.require(list(value), number, all_named=False)
                first = False
            yield number, [value.get(name) for name in source.wanted]


def _object(line: str, number: int) -> dict[str, Any] | Bad:
    try:
        value = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return Bad(number, f"not JSON: {printable(str(error), 100)}", line.rstrip("\r\n"))
    if isinstance(value, dict):
        return value
    return Bad(number, f"found {printable(repr(value), 60)}, expected an object {{...}}", value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def read_parquet(source: Source) -> Found:
    """Rows by number, from 1; only the columns that are wanted are read."""
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(source.path)
        names = file.schema_arrow.names
        source.require(names, 1)
        number = 1
        for batch in file.iter_batches(columns=[name for name in source.wanted if name in names]):
            present = {name: batch.column(name).to_pylist() for name in batch.schema.names}
            nothing = [None] * batch.num_rows
            yield from enumerate(
                zip(*(present.get(name, nothing) for name in source.wanted), strict=True), number
            )
            number += batch.num_rows
    except pyarrow.ArrowException as error:
        raise UserError(f"{source.shown}: not a parquet file: {printable(str(error), 100)}") from None
