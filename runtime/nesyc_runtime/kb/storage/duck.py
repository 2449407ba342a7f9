"""A DuckDB database beside a store: derived relations it holds, read as if they were in the store.

Derived relations lie in a file of their own that is written once and then only read; what else a statement names is
copied from the store into memory when it is first asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import FUNCTIONS, Store, quote
from nesyc_runtime.kb.storage.translate import MORE, OWN, to_duckdb

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 2_048  # rows: a vector of DuckDB's; many more at once wake Python's collector, which takes longer than the copy
_COUNT = count(1)  # no two attached files of a process have one name
ANY = 2**62  # rows: what a negative LIMIT means to SQLite


class Rows:
    """What a statement found, read as a cursor of SQLite is. All of it at once: a connection has one open result."""

    rowcount = -1
    lastrowid = None

    def __init__(self, found: list[Any]) -> None:
        self._rest = iter(found)

    def fetchone(self) -> Any:
        return next(self._rest, None)

    def fetchall(self) -> list[Any]:
        return list(self._rest)

    def __iter__(self) -> Iterator[Any]:
        return self._rest


class Duck:
    """An open database, tied to the store whose tables it copies. `file` is None where all of it is in memory.

    `present` names the tables and views of the store's that a file written before has. Raises `duckdb.Error` where
    the file cannot be opened.
    """

    def __init__(
        self, store: Store, file: Path | None, present: Iterable[str] = (), *, read_only: bool = False
    ) -> None:
        self.store = store
        self.file = file
        self._name, self._closed, self._read_only = f"held{next(_COUNT)}", False, read_only
        self.connection = instance_of(store).connection.cursor()
        path = ":memory:" if file is None else str(file).replace("'", "''")
        try:
            self.run(f"ATTACH '{path}' AS {self._name}" + (" (READ_ONLY)" if read_only else ""))
        except duckdb.Error:
            self.connection.close()
            raise
        self.run(f"USE {self._name}")
        self._present = set(present)
        self._copied: list[str] = []
        self._supposed: list[str] = []
        self._stamp = store.stamp

    def execute(self, sql: str, parameters: Mapping[str, Any] | Iterable[Any] = ()) -> Rows:
        """Run a statement written for the store; raises `sqlite3.OperationalError` where a number overflows.

        A row inserted is there until the store's transaction ends, and never in the file.
        """
        translated = to_duckdb(sql)
        self._refresh()
        if translated.into is not None:
            self._suppose(translated.into)
        for table in translated.tables:
            self.bring(table)
        if isinstance(parameters, Mapping):
            given: Any = {name: parameters[name] for name in translated.parameters}
            given |= {name: ANY for name in translated.limits if given[name] < 0}
        else:
            given = list(parameters)
        if translated.own:
            add_own_functions(self.store)
        try:
            return Rows(self.connection.execute(translated.sql, given or None).fetchall())
        except (duckdb.OutOfRangeException, duckdb.ConversionException) as error:
            raise sqlite3.OperationalError(f"overflow: {error}") from None
        except duckdb.Error as error:
            if self._read_only and self.file is not None and "checksum" in str(error):
                raise damaged(self.file, error) from None
            raise

    def _refresh(self) -> None:
        """Let go of copies where the store may have changed, of rows supposed where its transaction was undone."""
        stamp, before = self.store.stamp, self._stamp
        if stamp == before:
            return
        self._stamp = stamp
        if stamp.undone != before.undone:
            for table in self._supposed:
                self.run(f"DROP VIEW temp.{quote(table)}")
                self.run(f"DROP TABLE temp.{quote(table + MORE)}")
            self._supposed = []
        for table in self._copied:
            self.run(f"DROP TABLE temp.{quote(table)}")
        self._present -= set(self._copied)
        self._copied = []

    def _suppose(self, table: str) -> None:
        """Let rows be inserted into a table of the file: it is read together with one in memory."""
        more = quote(table + MORE)
        if table not in self._supposed:
            written = f"{self._name}.main.{quote(table)}"
            self.run(f"CREATE TEMP TABLE {more} AS SELECT * FROM {quote(table)} LIMIT 0")
            self.run(
                f"CREATE TEMP VIEW {quote(table)} AS SELECT * FROM {written} UNION ALL SELECT * FROM {more}"
            )
            self._supposed.append(table)
            self._present.add(table + MORE)

    def run(self, sql: str) -> None:
        """Run a statement in DuckDB's own words, its result read to the end: a connection has one at a time."""
        self.connection.execute(sql).fetchall()

    def add(self, table: str) -> None:
        """Take note of a table or view made by `run`."""
        self._present.add(table)

    def bring(self, table: str, *, without: Iterable[str] = ()) -> None:
        """Copy a table of the store into memory, unless the database has one of this name; columns may stay away."""
        if table in self._present:
            return
        fields = [field for field in self._fields(table) if field[0] not in without]
        self._copy(table, quote(table), fields)
        self._present.add(table)
        self._copied.append(table)

    def take(self, title: str, plan: RelationPlan, source: str, columns: Sequence[str]) -> None:
        """Copy a table of SQLite's that holds rows of a relation, these columns, into memory under a name of its own."""
        self._copy(title, source, [field for field in self._fields(plan.rows) if field[0] in columns])

    def _copy(self, title: str, source: str, fields: list[tuple[str, str]]) -> None:
        names = ", ".join(quote(name) for name, _ in fields)
        found = self.store.connection.execute(f"SELECT {names} FROM {source}")
        copied = _reader(found, fields)
        self.connection.register("nesyc.copied", copied)
        self.run(f'CREATE TEMP TABLE {quote(title)} AS SELECT * FROM "nesyc.copied"')
        self.connection.unregister("nesyc.copied")

    def _fields(self, table: str) -> list[tuple[str, str]]:
        """Names and types of the columns that statements over several relations read."""
        plan = next((r for r in self.store.program.relations if table in (r.rows, r.reads)), None)
        described = self.store.connection.execute(f"PRAGMA table_info({quote(table)})").fetchall()
        if plan is None:
            return [(name, kind) for _, name, kind, *_ in described]
        wanted = {"_row", "conf"} | {column.column for column in plan.columns if not column.computed}
        ids = {column.column for column in plan.columns if column.interned}
        return [(name, "id" if name in ids else kind) for _, name, kind, *_ in described if name in wanted]

    def close(self) -> None:
        """Let go of the file, all that was committed written into it. Closed once more, nothing happens."""
        if self._closed:
            return
        self._closed = True
        with suppress(duckdb.Error):  # there is one only where something failed
            self.connection.rollback()
        self.run("USE memory")
        self.run(f"DETACH {self._name}")
        self.connection.close()


def damaged(file: Path, error: Exception) -> UserError:
    """What is wrong with a file of derived relations, and the way out."""
    why = printable(str(error).replace(str(file), file.name))
    return UserError(
        f"what was derived cannot be read: {why}",
        f"remove {file.name}, which holds what was derived and nothing else, and run the command again",
    )


class Instance:
    """A DuckDB in memory, to which a store's files are attached: to start one takes 20 ms of CPU, to attach a file one."""

    def __init__(self, path: Path | None) -> None:
        # one thread: rows come in the same order on every machine, which explanations show
        settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "ieee_floating_point_ops": False,
        }
        if (
            path is not None
        ):  # what does not fit in memory goes beside the store, not into the folder one stands in
            settings["temp_directory"] = f"{path.absolute()}.duckdb.tmp"
        self.connection = duckdb.connect(":memory:", config=settings)
        self.has_own_functions = False

    def close(self) -> None:
        self.connection.close()


def instance_of(store: Store) -> Instance:
    if store.duckdb is None:
        store.duckdb = Instance(store.path)
    return store.duckdb


def add_own_functions(store: Store) -> None:
    """The functions that the store's SQLite connection has, so that a text is the same text in both."""
    instance, sqlite = instance_of(store), store.connection
    if instance.has_own_functions:
        return
    connection, instance.has_own_functions = instance.connection, True
    lower, upper, regexp = FUNCTIONS["lower"], FUNCTIONS["upper"], FUNCTIONS["regexp"]

    def text(value: float) -> str:
        return str(sqlite.execute("SELECT CAST(? AS TEXT)", (value,)).fetchone()[0])

    connection.create_function(OWN["lower"], lower, ["VARCHAR"], "VARCHAR")
    connection.create_function(OWN["upper"], upper, ["VARCHAR"], "VARCHAR")
    connection.create_function(
        OWN["regexp"], lambda pattern, text: bool(regexp(pattern, text)), ["VARCHAR", "VARCHAR"], "BOOLEAN"
    )
    connection.create_function(OWN["text"], text, ["DOUBLE"], "VARCHAR")


def column_types(plan: RelationPlan) -> dict[str, str]:
    """DuckDB's types of a relation's columns; ids of texts fit 32 bits, as SQLite numbers them from 1."""
    kinds = {"int": "BIGINT", "bool": "BIGINT", "number": "DOUBLE", "usd": "DOUBLE", "vector": "BLOB"}
    return {
        column.column: "INTEGER" if column.interned else kinds.get(column.base, "VARCHAR")
        for column in plan.columns
    }


def _reader(found: sqlite3.Cursor, fields: list[tuple[str, str]]) -> pa.RecordBatchReader:
    """Rows of a cursor as a stream of columns, so that memory stays flat."""
    import pyarrow as pa

    kinds = {"id": pa.int32(), "INTEGER": pa.int64(), "REAL": pa.float64(), "BLOB": pa.binary()}
    types = [kinds.get(kind, pa.string()) for _, kind in fields]
    schema = pa.schema([(name, type_) for (name, _), type_ in zip(fields, types, strict=True)])

    def batches() -> Iterator[pa.RecordBatch]:
        while rows := found.fetchmany(BATCH):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(values, type_) for values, type_ in zip(columns, types, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
