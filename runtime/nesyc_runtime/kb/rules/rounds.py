"""A stratum in SQLite: its rules over what holds already, then in rounds over what is new.

Semi-naive evaluation by ranges of row numbers (see the emitter's `rules`): rows found in a round are read as new in
the next, until a round finds none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.trial import Trial
from nesyc_runtime.kb.storage.program import Statement, StratumPlan
from nesyc_runtime.kb.storage.store import Store, overflow_of, quote

Rows = dict[str, int]


def derive_stratum(store: Store, stratum: StratumPlan, trial: Trial | None = None) -> int:
    """All that the stratum's rules give, its relations being empty; the number of rounds.

    Raises `MoreThanExpected` where `trial` finds it long.
    """
    statements = store.program.statements
    if trial is not None:
        trial.begin(stratum)
    for name in stratum.base:
        run_statement(store, statements[name])
    return continue_rounds(store, stratum, dict.fromkeys(stratum.relations, 0), trial)


def choose_winners(store: Store, stratum: StratumPlan) -> None:
    """The winners of `unique ... resolve` of the stratum's relations, none being chosen."""
    for name in stratum.resolve:
        run_statement(store, store.program.statements[name])


def continue_rounds(store: Store, stratum: StratumPlan, low: Rows, trial: Trial | None = None) -> int:
    """Rounds until nothing is new, the rows after `low` being new at the start."""
    if not stratum.delta:
        return 1
    statements = store.program.statements
    high = last_rows(store, stratum)
    rounds = 1
    found: list[int] = []
    while high != low:
        found.append(sum(high.values()) - sum(low.values()))
        if trial is not None:
            trial.go_on(found)
        ranges = {f"{name}_lo": row for name, row in low.items()} | {
            f"{name}_hi": row for name, row in high.items()
        }
        for name in stratum.delta:
            driver = statements[name].delta
            assert driver is not None
            if high[driver] > low[driver]:
                run_statement(store, statements[name], ranges)
        low, high = high, last_rows(store, stratum)
        rounds += 1
    return rounds


def last_rows(store: Store, stratum: StratumPlan) -> Rows:
    """The highest row number of each relation of the stratum."""
    return {
        name: store.execute(
            f"SELECT ifnull(max(_row), 0) FROM {quote(store.relation(name).rows)}"
        ).fetchone()[0]
        for name in stratum.relations
    }


# What SQLite says of a statement that is beyond its limits.
TOO_MUCH = ("tables in a join", "too many terms in compound SELECT", "parser stack overflow")


def run_statement(store: Store, statement: Statement, ranges: Mapping[str, int] | None = None) -> None:
    """Run a statement of the program; raises `UserError` for a value that its column cannot hold."""
    run_rule(store, statement.rule, statement.sql, ranges)


def run_rule(store: Store, rule: str, sql: str, ranges: Mapping[str, int] | None = None) -> int:
    """Run SQL of a rule; gives how many rows it wrote."""
    try:
        return store.execute(sql, ranges or {}).rowcount
    except (sqlite3.IntegrityError, sqlite3.OperationalError, sqlite3.DataError, OverflowError) as error:
        place = store.program.notes.get(rule, "").partition("\n")[0]
        if any(limit in str(error) for limit in TOO_MUCH):
            parts = "give parts of its body a derived relation of their own"
            raise UserError(f"{place}: rule `{rule}` is too large: {error}", parts) from None
        overflow = overflow_of(error)
        if isinstance(error, sqlite3.OperationalError) and overflow is None:
            raise
        raise UserError(
            f"{place}: rule `{rule}` computes a value that its column cannot hold: {overflow or error}",
            "bound the arithmetic, or use `number` for the column",
        ) from None
