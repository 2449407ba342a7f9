"""Which engine derives a KB's relations, and why: asked for by the spec, or chosen by what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Literal as OneOf

from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

# Facts that recursive rules read, or that any rules read, from which DuckDB is ahead whatever is derived from them.
RECURSIVE_FACTS = 2_000
FACTS = 10_000
# Derived rows of the last time from which DuckDB is taken at once.
DERIVED = 40_000


@dataclass(frozen=True, slots=True)
class Choice:
    """`trial`: SQLite begins, and DuckDB takes over where there is more to do than was expected."""

    engine: OneOf["sqlite", "duckdb"]
    why: str
    trial: bool = False


def choose(store: Store) -> Choice:
    """The engine for deriving everything anew."""
    asked = store.kb.engine
    if asked == "sqlite":
        return Choice("sqlite", "asked for by the spec")
    if store.program.bound_to:
        return Choice("sqlite", store.program.bound_to)
    if not has_duckdb():
        return Choice("sqlite", "duckdb 2.0 or later is not installed (nesyc[duckdb])")
    if asked == "duckdb":
        return Choice("duckdb", "asked for by the spec")
    return _measured(store)


def has_duckdb() -> bool:
    """Whether DuckDB is there, in a version whose recursions under a key end where nothing gets better."""
    if any(find_spec(name) is None for name in ("duckdb", "sqlglot", "pyarrow")):
        return False
    return _major() >= 2


@cache  # the package's metadata take 2 ms to read
def _major() -> int:
    return int(version("duckdb").partition(".")[0])


def _measured(store: Store) -> Choice:
    derived = int(store.state("derived rows") or 0)
    if derived >= DERIVED:
        return Choice("duckdb", f"{derived} rows were derived the last time")
    every, recursive = _facts_read(store)
    if recursive >= RECURSIVE_FACTS:
        return Choice("duckdb", f"recursive rules read {recursive} facts")
    if every >= FACTS:
        return Choice("duckdb", f"rules read {every} facts")
    return Choice("sqlite", f"rules read {every} facts", trial=True)


def _facts_read(store: Store) -> tuple[int, int]:
    """Rows of the stored relations that rules read, and that recursive rules read."""
    plans = store.program.by_name
    every: set[str] = set()
    recursive: set[str] = set()
    for stratum in store.program.strata:
        stored = {name for name in stratum.reads if not plans[name].derived}
        every |= stored
        if stratum.delta:
            recursive |= stored
    sizes = {name: _size(store, plans[name].rows) for name in every}
    return sum(sizes.values()), sum(sizes[name] for name in recursive)


def _size(store: Store, table: str) -> int:
    return int(store.connection.execute(f"SELECT count(*) FROM {quote(table)}").fetchone()[0])
