"""Derived relations in a DuckDB file beside the store: written under a name of its own, then named by the store.

The store names the file in the transaction that makes it valid, so a crash leaves the old one valid or none; files
that no store names are removed by the next evaluation.
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Elsewhere, Store, quote
from nesyc_runtime.kb.storage.views import show_derived

if TYPE_CHECKING:
    from nesyc_runtime.kb.storage.duck import Duck

# Fewer rows than this are copied into the store, where each lookup takes microseconds.
SMALL = 5_000
# What follows the name of a store in that of a DuckDB file of its own; other files are none of ours to remove.
OURS = r"\.[0-9a-f]{8}\.duckdb"


def derive_elsewhere(store: Store) -> int:
    """Derive everything with DuckDB, within `store.writing()`; gives the number of rounds.

    Raises `duckdb.Error` for what it cannot do.
    """
    from nesyc_runtime.kb.rules.duck_rules import DuckRules

    with writing_file(store) as duck:
        rounds = DuckRules(duck, store.program).derive()
        sizes = sizes_of(duck, store.program)
        duck.run("COMMIT")
        for name, size in sizes.items():
            if size < SMALL:
                _copy_back(store, duck, name)
    hold_elsewhere(store, duck, tuple(name for name, size in sizes.items() if size >= SMALL), sizes)
    return rounds


@contextmanager
def writing_file(store: Store, present: Iterable[str] = (), copied: Path | None = None) -> Iterator[Duck]:
    """A transaction of a new DuckDB file, a copy of `copied` with tables that are `present`; it goes where that fails."""
    from nesyc_runtime.kb.storage.duck import Duck

    file = _new_file(store.path)
    try:
        if copied is not None and file is not None:
            shutil.copyfile(copied, file)
        duck = Duck(store, file, present)
        try:
            duck.run("BEGIN")
            yield duck
        except BaseException:
            duck.close()
            raise
    except BaseException:
        _remove(file)
        raise


def hold_elsewhere(store: Store, duck: Duck, large: tuple[str, ...], sizes: Mapping[str, int]) -> None:
    """Let the store name what `duck` has written, within `store.writing()`: relations, which large ones it holds."""
    file = duck.file
    if file is not None:
        duck.close()
        if not large:
            _remove(file)
    store.elsewhere = Elsewhere(large, file.name if file and large else None, None if file else duck)
    told = {
        "relations": large,
        "file": store.elsewhere.file,
        "bytes": file.stat().st_size if file and large else None,
    }
    store.set_state("elsewhere", json.dumps(told))
    store.set_state("derived rows", str(sum(sizes.values())))
    show_derived(store, {name: sizes[name] for name in large}, store.elsewhere.file)


def nothing_elsewhere(store: Store) -> None:
    """Take all derived relations to lie in the store, within `store.writing()`."""
    store.elsewhere = Elsewhere()
    store.set_state("elsewhere", "{}")
    show_derived(store, {}, None)


def is_whole(store: Store) -> bool:
    """Whether what lies elsewhere can be read: a file that is gone, or was cut off, is derived again."""
    held = store.elsewhere
    if not held.relations or held.duck is not None:
        return True
    assert store.path is not None and held.file is not None
    written = json.loads(store.state("elsewhere") or "{}").get("bytes")
    try:
        size = store.path.with_name(held.file).stat().st_size
    except OSError:
        return False
    return written in (None, size)


def remove_others(store: Store) -> None:
    """Remove files that crashes left, within `store.writing()`; one that another process has open may stay."""
    if store.path is None:
        return
    named, own = store.elsewhere.file, re.compile(f"({re.escape(store.path.name)}{OURS})(?:\\.wal)?")
    for file in store.path.parent.glob(f"{escape(store.path.name)}.*.duckdb*"):
        found = own.fullmatch(file.name)
        if found is not None and found[1] != named:
            _remove(file)


def remove(store: Store, name: str | None) -> None:
    """Remove a file that the store named before."""
    if store.path is not None and name is not None:
        _remove(store.path.with_name(name))


def _new_file(path: Path | None) -> Path | None:
    return None if path is None else path.with_name(f"{path.name}.{secrets.token_hex(4)}.duckdb")


def _remove(file: Path | None) -> None:
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def sizes_of(duck: Duck, program: Program) -> dict[str, int]:
    """The number of rows of each derived relation, asked of its table: DuckDB knows how many a table has."""
    from nesyc_runtime.kb.rules.duck_rules import DATA

    return {
        plan.name: duck.connection.execute(f"SELECT count(*) FROM {quote(plan.name + DATA)}").fetchall()[0][0]
        for plan in program.relations
        if plan.derived
    }


def _copy_back(store: Store, duck: Duck, name: str) -> None:
    plan = store.program.by_name[name]
    columns = ["_row", *(column.column for column in plan.columns)]
    columns += ["conf"] if store.program.semantics != "boolean" else []
    listed, marks = ", ".join(map(quote, columns)), ", ".join("?" * len(columns))
    for table in dict.fromkeys((plan.rows, plan.reads)):
        store.connection.executemany(
            f"INSERT INTO {quote(table)} ({listed}) VALUES ({marks})",
            duck.execute(f"SELECT {listed} FROM {quote(table)} ORDER BY _row"),
        )
