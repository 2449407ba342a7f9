"""A stratum in SQLite: its rules over what holds already, then in rounds over what is new.

Semi-naive evaluation by ranges of row numbers (see the emitter's `rules`): rows found in a round are read as new in
the next, until a round finds none. Where it is no trial, the confidences of max_product are found in a few courses of rounds, the high ones first, as a coarse form of
Knuth's generalization of Dijkstra's algorithm (1977): most of what is low gets better before it is read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.trial import Trial
from nesyc_runtime.kb.storage.program import Statement, StratumPlan
from nesyc_runtime.kb.storage.store import Store, overflow_of, quote

Rows = dict[str, int]
TOP = 2.0  # above every confidence
# Where courses end, as powers of the mean confidence of what the recursion begins with: about so many steps from it.
COURSES = (5, 9)


def derive_stratum(store: Store, stratum: StratumPlan, trial: Trial | None = None) -> int:
    """All that the stratum's rules give, its relations being empty; the number of rounds.

    Raises `MoreThanExpected` where `trial` finds it long.
    """
    statements = store.program.statements
    if trial is not None:
        trial.begin(stratum)
    for name in stratum.base:
        run_statement(store, statements[name])
    nothing = dict.fromkeys(stratum.relations, 0)
    if trial is not None or not stratum.by_confidence:
        return continue_rounds(store, stratum, nothing, trial)
    rounds, ceiling = 1, TOP
    for floor in _floors(store, stratum):
        rounds += continue_rounds(store, stratum, nothing, between=(floor, ceiling)) - 1
        ceiling = floor
    return rounds


def _floors(store: Store, stratum: StratumPlan) -> tuple[float, ...]:
    """The least confidence that each course of rounds reads, the last one all."""
    sums = [
        store.execute(f"SELECT count(*), total(conf) FROM {quote(store.relation(name).rows)}").fetchone()
        for name in stratum.relations
    ]
    rows, total = (sum(values) for values in zip(*sums, strict=True))
    if not rows or total == rows:
        return (0.0,)
    return (*((total / rows) ** power for power in COURSES), 0.0)


def choose_winners(store: Store, stratum: StratumPlan) -> None:
    """The winners of `unique ... resolve` of the stratum's relations, none being chosen."""
    for name in stratum.resolve:
        run_statement(store, store.program.statements[name])


def continue_rounds(
    store: Store,
    stratum: StratumPlan,
    low: Rows,
    trial: Trial | None = None,
    between: tuple[float, float] = (0.0, TOP),
) -> int:
    """Rounds until nothing is new, the rows after `low` being new at the start.

    Where the stratum is read `by_confidence`, only rows from the first of `between` up to below the second are read; what follows
    from a row is never surer than the row.
    """
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
        ranges: dict[str, float] = {}
        for name in stratum.relations:
            ranges |= {f"{name}_lo": low[name], f"{name}_hi": high[name]}
        if stratum.by_confidence:
            ranges |= {"floor": between[0], "ceiling": between[1]}
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


def run_statement(store: Store, statement: Statement, ranges: Mapping[str, float] | None = None) -> None:
    """Run a statement of the program; raises `UserError` for a value that its column cannot hold."""
    run_rule(store, statement.rule, statement.sql, ranges)


def run_rule(store: Store, rule: str, sql: str, ranges: Mapping[str, float] | None = None) -> int:
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
