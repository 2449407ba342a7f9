"""Derived relations from stored ones: stratum by stratum to a fixpoint, in one transaction.

Semi-naive evaluation by ranges of row numbers (see the emitter's `rules`): rows found in a round are read as new in
the next, until a round finds none. Nothing runs where neither facts nor rules changed since the last time.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.elsewhere import (
    derive_elsewhere,
    find_elsewhere,
    is_whole,
    nothing_elsewhere,
    remove_others,
)
from nesyc_runtime.kb.engine import TRIAL_ROWS, Choice, choose
from nesyc_runtime.kb.program import Statement, StratumPlan
from nesyc_runtime.kb.proofsets import ProofSets
from nesyc_runtime.kb.rows import quote
from nesyc_runtime.kb.store import Store


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`ran` is False where nothing had changed; `rounds` counts those of all strata.

    `engine` derived what changed, chosen because of `why`; both empty where nothing ran.
    """

    ran: bool
    rounds: int
    engine: str = ""
    why: str = ""


def evaluate(store: Store) -> Evaluated:
    """Bring every derived relation up to date.

    Raises `UserError` where a rule computes what its column cannot hold; the store then stays as it was.
    """
    if _is_done(store):
        return Evaluated(False, 0)
    with store.writing():
        if _is_done(store):  # another process did it while this one waited
            return Evaluated(False, 0)
        done = _anew(store)
        store.set_state("engine", json.dumps([done.engine, done.why]))
        store.set_state("evaluated", _version(store))
    remove_others(store)
    return done


def engine_used(store: Store) -> tuple[str, str]:
    """The engine that derived the relations as they are, and why it was chosen."""
    engine, why = json.loads(store.state("engine") or '["sqlite", "nothing was derived yet"]')
    return engine, why


def _is_done(store: Store) -> bool:
    if store.state("evaluated") != _version(store):
        return False
    find_elsewhere(store)
    return is_whole(store)


def _version(store: Store) -> str:
    return f"{store.program.digest}:{store.state('facts') or '0'}"


def _anew(store: Store) -> Evaluated:
    """Derive everything from the stored rows."""
    program = store.program
    nothing_elsewhere(store)
    for relation in program.relations:
        if relation.resolved:
            store.execute(f"DELETE FROM {quote(relation.reads)}")
        if relation.derived:
            store.execute(f"DELETE FROM {quote(relation.rows)}")
    for text in program.constants:
        store.symbol(text)
    for name in program.resolve:
        _run(store, program.statements[name], {})
    choice = choose(store)
    rounds = None
    if choice.engine == "duckdb":
        rounds, choice = _with_duckdb(store, choice)
    elif choice.trial:
        rounds, choice = _on_trial(store, choice)
    if rounds is None:
        rounds = _with_sqlite(store)
    return Evaluated(True, rounds, choice.engine, choice.why)


def _with_duckdb(store: Store, choice: Choice) -> tuple[int | None, Choice]:
    """Rounds, or None and why not: SQLite then says what is wrong, or does it."""
    import duckdb

    try:
        derived = derive_elsewhere(store)
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        return None, Choice("sqlite", f"duckdb cannot run these rules: {first}")
    store.set_state("derived rows", str(derived.rows))
    return derived.rounds, choice


class _MoreThanExpected(Exception):
    """Rules derive more rows than SQLite is quick with."""


def _on_trial(store: Store, choice: Choice) -> tuple[int | None, Choice]:
    """SQLite, for as long as there is little to do; then DuckDB."""
    store.execute("SAVEPOINT trial")
    try:
        return _with_sqlite(store, most=TRIAL_ROWS), choice
    except _MoreThanExpected:
        store.execute("ROLLBACK TO trial")
    finally:
        store.execute("RELEASE trial")
    return _with_duckdb(store, Choice("duckdb", f"more than {TRIAL_ROWS} rows are derived"))


def _with_sqlite(store: Store, most: int | None = None) -> int:
    """Rounds; raises `_MoreThanExpected` where a stratum derives more than `most` rows and its rounds go on."""
    program = store.program
    sets = ProofSets(store) if program.semantics == "top_proofs" else None
    rounds = 0
    for stratum in program.strata:
        rounds += _stratum(store, stratum, most)
        if sets is not None:
            sets.add_stratum(stratum)
        for name in stratum.resolve:
            _run(store, program.statements[name], {})
    if sets is not None:
        sets.save()
    return rounds


def _stratum(store: Store, stratum: StratumPlan, most: int | None = None) -> int:
    statements = store.program.statements
    for name in stratum.base:
        _run(store, statements[name], {})
    if not stratum.delta:
        return 1
    low = dict.fromkeys(stratum.relations, 0)
    high = _last_rows(store, stratum)
    rounds = 1
    while high != low:
        if most is not None and sum(high.values()) > most:
            raise _MoreThanExpected
        ranges = {f"{name}_lo": row for name, row in low.items()} | {
            f"{name}_hi": row for name, row in high.items()
        }
        for name in stratum.delta:
            driver = statements[name].delta
            assert driver is not None
            if high[driver] > low[driver]:
                _run(store, statements[name], ranges)
        low, high = high, _last_rows(store, stratum)
        rounds += 1
    return rounds


def _last_rows(store: Store, stratum: StratumPlan) -> dict[str, int]:
    return {
        name: store.execute(
            f"SELECT ifnull(max(_row), 0) FROM {quote(store.relation(name).rows)}"
        ).fetchone()[0]
        for name in stratum.relations
    }


def _run(store: Store, statement: Statement, ranges: dict[str, int]) -> None:
    try:
        store.execute(statement.sql, ranges)
    except (sqlite3.IntegrityError, sqlite3.OperationalError, OverflowError) as error:
        if isinstance(error, sqlite3.OperationalError) and "overflow" not in str(error):
            raise
        place = store.program.notes.get(statement.rule, "").partition("\n")[0]
        raise UserError(
            f"{place}: rule `{statement.rule}` computes a value that its column cannot hold: {error}",
            "bound the arithmetic, or use `number` for the column",
        ) from None
