"""A knowledge base in one SQLite file: its connection, its tables, its texts, its transactions.

Every change is one transaction begun with BEGIN IMMEDIATE, so a crash leaves the state before or after it, and a
second process waits its turn.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from pydantic import ValidationError

from nesyc_runtime import config, patterns
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.storage import history
from nesyc_runtime.kb.storage.program import Program, RelationPlan
from nesyc_runtime.kb.storage.schema import apply_schema

if TYPE_CHECKING:
    from nesyc_runtime.kb.storage.duck import Duck, Instance

BUSY_SECONDS = 60.0
CACHE, LOADING = 65_536, 16_384  # KiB of pages kept in memory, and of what is written once and read in order
KNOWN = 200_000  # texts whose ids are kept at hand; loading a large file stays flat in memory


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Derived relations that DuckDB holds: in `file` beside the store, or, of a store in memory, in `duck` alone."""

    relations: tuple[str, ...] = ()
    file: str | None = None
    duck: Duck | None = None


class _Undo(Exception):
    """Ends a transaction without keeping it."""


class Stamp(NamedTuple):
    """Counts of what this connection wrote and undid, and of what others wrote."""

    written: int
    undone: int
    others: int


class Result(Protocol):
    """What a statement found: a cursor of SQLite, or rows of DuckDB read the same way."""

    @property
    def rowcount(self) -> int: ...

    @property
    def lastrowid(self) -> int | None: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


def quote(name: str) -> str:
    """A name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


class Store:
    """An open knowledge base. Not for use by several threads at once; other processes may have it open too."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        kb: config.Kb,
        program: Program,
        path: Path | None,
        clock: Callable[[], datetime] = history.utc_now,
    ) -> None:
        self.connection = connection
        self.kb = kb
        self.program = program
        self.path = path
        self.clock = clock
        self._ids: dict[str, int] = {}
        self._texts: dict[int, str] = {}
        self._depth = 0
        self._elsewhere = Elsewhere()
        self._away: tuple[str, ...] = ()  # quoted names of the tables that lie elsewhere
        self._undone = 0
        self.duckdb: Instance | None = None  # from when it was needed
        self._change: int | None = None

    @cached_property
    def enums(self) -> Mapping[str, tuple[str, ...]]:
        return {enum.name: enum.constants for enum in self.kb.enums}

    @cached_property
    def declared(self) -> Mapping[str, config.Relation]:
        return {relation.name: relation for relation in self.kb.relations}

    def relation(self, name: str) -> RelationPlan:
        """The plan of a relation; raises `UserError` for an unknown name."""
        plan = self.program.by_name.get(name)
        if plan is None:
            raise UserError(
                f"the KB `{self.kb.name}` has no relation `{printable(name, 60)}`",
                f"it has {', '.join(sorted(self.program.by_name))}",
            )
        return plan

    def execute(self, sql: str, parameters: Mapping[str, Any] | Iterable[Any] = ()) -> Result:
        """Run a statement; one that names a relation which lies in the DuckDB file runs there."""
        if self._away and any(name in sql for name in self._away):
            reader = self._reader()
            if reader is not None:
                return reader.execute(sql, parameters)
            return self.execute(sql, parameters)  # they lie elsewhere than they did
        values = parameters if isinstance(parameters, Mapping) else tuple(parameters)
        return self.connection.execute(sql, values)

    @property
    def elsewhere(self) -> Elsewhere:
        """The derived relations that DuckDB holds. Set within `writing`, it is as before where that fails."""
        return self._elsewhere

    @elsewhere.setter
    def elsewhere(self, held: Elsewhere) -> None:
        plans = [self.program.by_name[name] for name in held.relations]
        self._away = tuple(quote(table) for plan in plans for table in sorted({plan.rows, plan.reads}))
        self._elsewhere = held

    def find_elsewhere(self) -> None:
        """Read what the store says about its relations elsewhere, where that is not known yet."""
        found = json.loads(self.state("elsewhere") or "{}")
        if found.get("file") != self._elsewhere.file:
            relations = tuple(name for name in found.get("relations", ()) if name in self.program.by_name)
            self.elsewhere = Elsewhere(relations, found.get("file"))

    def _reader(self) -> Duck | None:
        """The open DuckDB file; None where another process has derived anew and took the file away, which is known then.

        Raises `UserError` where it took away what is being read.
        """
        held = self._elsewhere
        if held.duck is not None:
            return held.duck
        import duckdb

        from nesyc_runtime.kb.storage.duck import Duck, damaged

        assert self.path is not None and held.file is not None
        plans = [self.program.by_name[name] for name in held.relations]
        tables = {table for plan in plans for table in (plan.rows, plan.reads)}
        file = self.path.with_name(held.file)
        try:
            duck = Duck(self, file, tables, read_only=True)
        except duckdb.Error as error:
            self.find_elsewhere()
            if self._elsewhere.file != held.file:
                return None
            if file.is_file():
                raise damaged(file, error) from None
            raise UserError(
                f"what was derived is gone with {file.name}", "run the command again: it is derived anew"
            ) from None
        self._elsewhere = replace(held, duck=duck)
        return duck

    @property
    def stamp(self) -> Stamp:
        """Differs from an earlier one where anything was written, or taken back, since."""
        version = self.connection.execute("PRAGMA data_version").fetchone()[0]
        return Stamp(self.connection.total_changes, self._undone, int(version))

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; one inside another is part of it."""
        if self._depth:
            yield
            return
        self.execute("BEGIN IMMEDIATE")
        self._depth = 1
        before = self._elsewhere
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            self.connection.rollback()
            self._undone += 1
            self._ids.clear()
            self._texts.clear()
            self._replace(before)
            raise
        else:
            self._close_unless_held(before)
        finally:
            self._depth = 0

    @contextmanager
    def supposing(self) -> Iterator[None]:
        """A transaction whose writes are seen inside it and taken back at its end; it stands inside no other."""
        with suppress(_Undo), self.writing():
            yield
            raise _Undo

    def _replace(self, held: Elsewhere) -> None:
        """Hold `held` again, and let go of what took its place."""
        other, self.elsewhere = self._elsewhere, replace(held)
        self._close_unless_held(other)

    def _close_unless_held(self, held: Elsewhere) -> None:
        if held.duck is not None and held.duck is not self._elsewhere.duck:
            held.duck.close()

    @contextmanager
    def changing(self, who: str, why: str, *, undoes: int | None = None) -> Iterator[None]:
        """A transaction over stored rows, written into the history; one inside another is part of it."""
        with self.writing():
            if self._change is not None:
                yield
                return
            at = history.moment(self.clock())
            self._change = history.begin(self.connection, at, who, why, undoes)
            try:
                yield
                history.finish(self.connection, self._change)
            finally:
                self._change = None

    @contextmanager
    def loading(self) -> Iterator[None]:
        """Many rows that are written once: a small cache is as quick, and memory stays flat whatever their number."""
        self.connection.execute(f"PRAGMA cache_size = -{LOADING}")
        try:
            yield
        finally:
            self.connection.execute(f"PRAGMA cache_size = -{CACHE}")

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Several reads of one state, whatever other processes write meanwhile."""
        if self._depth or self.connection.in_transaction:
            yield
            return
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.connection.rollback()

    def state(self, key: str) -> str | None:
        row = self.execute('SELECT value FROM "nesyc.state" WHERE key = ?', (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_state(self, key: str, value: str) -> None:
        self.execute('INSERT OR REPLACE INTO "nesyc.state" (key, value) VALUES (?, ?)', (key, value))

    def facts_changed(self) -> None:
        """Count a change of stored rows: what was evaluated before it is out of date."""
        self.set_state("facts", str(int(self.state("facts") or 0) + 1))

    def take_in_edits(self) -> None:
        """Let what other programs wrote count as a change: written into the history, what follows from it derived anew."""
        if not history.edited_outside(self.connection):
            return
        with self.writing():
            history.claim_edits(self.connection, history.moment(self.clock()))
            self.facts_changed()

    def symbol(self, text: str) -> int:
        """The id of a text, given one now where it has none; call inside `writing`."""
        found = self.find_symbol(text)
        if found is None:
            cursor = self.execute('INSERT INTO "nesyc.symbol" (text) VALUES (?)', (text,))
            assert cursor.lastrowid is not None
            found = self._ids[text] = cursor.lastrowid
        return found

    @property
    def known_symbols(self) -> Mapping[str, int]:
        """Texts whose id was looked up in this session."""
        return self._ids

    def find_symbol(self, text: str) -> int | None:
        """The id of a text, None where no row has ever held it."""
        if text not in self._ids:
            row = self.execute('SELECT id FROM "nesyc.symbol" WHERE text = ?', (text,)).fetchone()
            if row is None:
                return None
            if len(self._ids) > KNOWN:
                self._ids.clear()
            self._ids[text] = int(row[0])
        return self._ids[text]

    def text(self, symbol: int) -> str:
        """The text of an id; raises `UserError` where another program took it out of the file."""
        if symbol not in self._texts:
            if len(self._texts) > KNOWN:
                self._texts.clear()
            row = self.execute('SELECT text FROM "nesyc.symbol" WHERE id = ?', (symbol,)).fetchone()
            if row is None:
                raise UserError(
                    f"the knowledge base {self.path.name if self.path else self.kb.name} is damaged: rows name a text that is gone",
                    "`nesyc verify` shows which; another program may have deleted it",
                )
            self._texts[symbol] = str(row[0])
        return self._texts[symbol]

    def close(self) -> None:
        try:
            if self._elsewhere.duck is not None:
                self._elsewhere.duck.close()
            if self.duckdb is not None:
                self.duckdb.close()
        finally:
            self.connection.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(
    path: Path | None,
    kb: config.Kb,
    program: object,
    *,
    clock: Callable[[], datetime] = history.utc_now,
    allow_loss: bool = False,
) -> Store:
    """Open, or create, the store of `kb` at `path` (None: in memory) and bring its tables up to date.

    `program` is the compiled rule program as JSON values; `clock` dates the history. Raises `UserError` where the
    file is no store or a changed schema would lose written rows (E0506), unless `allow_loss`.
    """
    try:
        plan = program if isinstance(program, Program) else Program.model_validate(program)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"the rule program of `{kb.name}` cannot be read: {place}: {first['msg']}",
            "compile it again with `nesyc compile`",
        ) from None
    connection = _connect(path)
    store = Store(connection, kb, plan, path, clock)
    try:
        places = {relation.name: relation.location.model_dump() for relation in kb.relations}
        apply_schema(connection, plan, history.moment(clock()), places, allow_loss=allow_loss)
    except sqlite3.DatabaseError as error:
        connection.close()
        raise _not_a_store(path, error) from None
    except BaseException:
        connection.close()
        raise
    return store


def _connect(path: Path | None) -> sqlite3.Connection:
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            str(path) if path is not None else ":memory:",
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        add_functions(connection)
        if path is not None:
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA cache_size = -{CACHE}")
        # what outgrows its cache goes to a file, so that a load of any size needs the same memory
        connection.execute("PRAGMA temp_store = FILE")
        connection.execute("PRAGMA temp.cache_size = -32768")
    except (sqlite3.Error, OSError) as error:
        raise _not_a_store(path, error) from None
    return connection


def open_read_only(path: Path) -> sqlite3.Connection:
    """An existing store, only to read and without waiting for a writer; raises `sqlite3.Error` where that cannot be.

    No file is made: without a write-ahead log nobody writes, and the file is read as it lies.
    """
    log = path.with_name(path.name + "-wal")
    mode = "mode=ro" if log.exists() else "immutable=1"
    connection = sqlite3.connect(f"{path.as_uri()}?{mode}", uri=True, timeout=0, isolation_level=None)
    add_functions(connection)
    return connection


def _not_a_store(path: Path | None, error: Exception) -> UserError:
    where = path.name if path is not None else "in memory"
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return UserError(f"the knowledge base {where} is locked by another process", "wait for it, or end it")
    return UserError(
        f"the knowledge base {where} cannot be opened: {error}",
        "name another file under `store`, or move this one away: what a run wrote is lost with it",
    )


def _lower(text: Any) -> str | None:
    return None if text is None else str(text).lower()


def _upper(text: Any) -> str | None:
    return None if text is None else str(text).upper()


def _regexp(pattern: str | None, text: str | None) -> int | None:
    return None if pattern is None or text is None else int(patterns.matches(str(pattern), str(text)))


def _whole(number: int | float | None) -> int | None:
    """A whole number; an error for the real that SQLite makes of one beyond 64 bits."""
    if isinstance(number, float):
        raise ValueError  # not OverflowError, which sqlite3 takes for too long a text
    return number


def _remainder(left: float | None, right: float | None) -> float | None:
    """What division leaves, with the sign of `left`; null where there is none."""
    if left is None or not right or not math.isfinite(left):
        return None
    return math.fmod(left, right)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "lower": _lower,
    "upper": _upper,
    "regexp": _regexp,
    "whole": _whole,
    "remainder": _remainder,
}


def overflow_of(error: Exception) -> str | None:
    """What SQLite says where a number left its 64 bits, None where the error is another. Of our functions `whole` alone raises."""
    said = str(error)
    if "user-defined function raised exception" in said:
        return "integer overflow"
    return said if "overflow" in said and "stack" not in said else None


def refused(error: sqlite3.OperationalError, told: str) -> UserError:
    """An overflow as an error of the rule or constraint that `told` names; raises `error` itself where it is another."""
    overflow = overflow_of(error)
    if overflow is None:
        raise error
    return UserError(f"{told} computes a value that is too large: {overflow}", "bound the arithmetic")


def add_functions(connection: sqlite3.Connection) -> None:
    """Text functions by Unicode's rules, where SQLite alone knows ASCII; same names, so the SQL stays plain. And arithmetic that it
    has not."""
    for name, function in FUNCTIONS.items():
        count = function.__code__.co_argcount
        connection.create_function(name, count, function, deterministic=True)
