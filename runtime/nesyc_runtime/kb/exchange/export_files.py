"""A KB's facts as files of other tools: Parquet, N-Triples, Turtle, tab-separated triples, Wikidata's JSON, a plain SQLite file.

What is written loads again as the same facts (`facts R from parquet("R.parquet")`). Rows are streamed into a temporary
file, which then takes the place of `out`.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote as percent

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.exchange.facts_out import (
    BATCH,
    chosen,
    columns_of,
    facts_of,
    implicit_of,
    one_of,
    told_apart,
)
from nesyc_runtime.kb.exchange.wikidata_out import write_wikidata
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

SQLITE_TYPES = {"int": "INTEGER", "number": "REAL", "usd": "REAL", "bool": "INTEGER", "vector": "BLOB"}
BOM = "\ufeff"  # at a file's start no text, but how it is encoded
XSD = "http://www.w3.org/2001/XMLSchema#"
XSD_TYPES = {"int": "integer", "number": "double", "usd": "double", "bool": "boolean", "date": "date"}


def write_facts(store: Store, format: str, relations: Sequence[str], out: Path, base: str) -> dict[str, int]:
    """Write the facts that queries see, stored and derived, to `out`; gives the number of rows by relation.

    Raises `UserError` where `format` cannot hold the relations.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder, store.reading():
        file = Path(folder) / "out"
        if format == "sqlite":
            counts = _sqlite(store, relations, file)
        else:
            plan = one_of(store, relations, format)
            counts = {plan.name: WRITERS[format](store, plan, file, base)}
        file.replace(out)
    return counts


def _parquet(store: Store, plan: RelationPlan, file: Path, base: str) -> int:
    import pyarrow
    from pyarrow import parquet

    types = {"int": pyarrow.int64(), "number": pyarrow.float64(), "usd": pyarrow.float64(), "bool": pyarrow.bool_(),
             "vector": pyarrow.list_(pyarrow.float32())}  # fmt: skip
    fields = [(column.name, types.get(column.base, pyarrow.string())) for column in columns_of(plan)]
    conf, *others = told_apart(implicit_of(plan), [name for name, _ in fields])
    fields += [(conf, pyarrow.float64()), *((name, pyarrow.string()) for name in others)]
    schema = pyarrow.schema(fields)
    count = 0
    with parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(facts_of(store, plan)):
            columns = zip(*batch, strict=True)
            arrays = [pyarrow.array(c, field.type) for c, field in zip(columns, schema, strict=True)]
            writer.write_table(pyarrow.table(arrays, schema=schema))
            count += len(batch)
    return count


def _batches(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _sqlite(store: Store, relations: Sequence[str], file: Path) -> dict[str, int]:
    """A table a relation, derived ones too, as any SQLite program reads them; the declared columns keep their names."""
    wanted = {plan.name for plan in chosen(store, relations)}
    plans = [plan for plan in store.program.relations if plan.name in wanted]
    counts = {}
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        for plan in plans:
            columns = columns_of(plan)
            declared = told_apart(column.name for column in columns)
            listed = [
                f"{quote(name)} {SQLITE_TYPES.get(column.base, 'TEXT')}"
                for name, column in zip(declared, columns, strict=True)
            ]
            listed += map(quote, told_apart(implicit_of(plan), declared))
            connection.execute(f"CREATE TABLE {quote(plan.view)} ({', '.join(listed)})")
            marks = ", ".join("?" * len(listed))
            cursor = connection.executemany(
                f"INSERT INTO {quote(plan.view)} VALUES ({marks})",
                (tuple(map(_cell, row)) for row in facts_of(store, plan)),
            )
            counts[plan.name] = max(cursor.rowcount, 0)
        connection.execute("COMMIT")
    return counts


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def _tsv(store: Store, plan: RelationPlan, file: Path, base: str) -> int:
    if len(columns_of(plan)) != 3:
        raise UserError(f"tab-separated triples have 3 columns, `{plan.name}` has {len(columns_of(plan))}")
    with file.open("w", encoding="utf-8", newline="") as text:
        count = 0
        for row in facts_of(store, plan):
            cells = [
                "" if value is None else value if isinstance(value, str) else json.dumps(value)
                for value in row[:3]
            ]
            line = "\t".join(cells)
            if (
                None in row[:3]
                or line.count("\t") != 2
                or len(f"{line}.".splitlines()) != 1
                or not line.strip("\t")
                or (count == 0 and line.startswith(BOM))
            ):
                raise UserError(
                    f"`{plan.name}` has texts with tabs or line ends, nulls, or a byte order mark first: "
                    "tab-separated lines cannot say them",
                    "use csv, jsonl or parquet",
                )
            text.write(f"{line}\n")
            count += 1
    return count


def _ntriples(store: Store, plan: RelationPlan, file: Path, base: str) -> int:
    """A fact of two columns says that the first stands in the relation to the second, one of three is a triple itself.

    Texts that join are IRIs under `base`, percent-encoded; everything else that ends a triple is a literal. These
    lines are Turtle as well.
    """
    columns = columns_of(plan)
    if len(columns) not in (2, 3):
        raise UserError(f"triples are made of 2 or 3 columns, `{plan.name}` has {len(columns)}")

    def iri(value: Any) -> str:
        return f"<{base}{percent(value if isinstance(value, str) else json.dumps(value), safe='')}>"

    with file.open("w", encoding="utf-8", newline="") as text:
        count = 0
        for row in facts_of(store, plan):
            values = row[: len(columns)]
            if None in values:
                raise UserError(
                    f"`{plan.name}` has nulls: triples cannot say them", "use csv, jsonl or parquet"
                )
            predicate = iri(plan.name) if len(columns) == 2 else iri(values[1])
            tail = iri(values[-1]) if columns[-1].interned else _literal(values[-1], columns[-1])
            text.write(f"{iri(values[0])} {predicate} {tail} .\n")
            count += 1
    return count


def _literal(value: Any, column: ColumnPlan) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    escaped = "".join(ESCAPES.get(c) or (c if c.isprintable() else f"\\U{ord(c):08X}") for c in text)
    kind = XSD_TYPES.get(column.base)
    return f'"{escaped}"^^<{XSD}{kind}>' if kind else f'"{escaped}"'


ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
WRITERS: Mapping[str, Callable[[Store, RelationPlan, Path, str], int]] = {
    "parquet": _parquet,
    "tsv": _tsv,
    "nt": _ntriples,
    "ttl": _ntriples,
    "wikidata": write_wikidata,
}
