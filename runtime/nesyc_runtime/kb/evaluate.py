"""Derived relations from stored ones: stratum by stratum to a fixpoint, in one transaction.

Semi-naive evaluation by ranges of row numbers (see the emitter's `rules`): rows found in a round are read as new in
the next, until a round finds none. Nothing runs where neither facts nor rules changed since the last time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.program import Statement, StratumPlan
from nesyc_runtime.kb.proofsets import ProofSets
from nesyc_runtime.kb.rows import quote
from nesyc_runtime.kb.store import Store


@dataclass(frozen=True, slots=True)
class Evaluated:
    """`ran` is False where nothing had changed; `rounds` counts those of all strata."""

    ran: bool
    rounds: int


def evaluate(store: Store) -> Evaluated:
    """Bring every derived relation up to date.

    Raises `UserError` where a rule computes what its column cannot hold; the store then stays as it was.
    """
    if store.state("evaluated") == _version(store):
        return Evaluated(False, 0)
    with store.writing():
        if store.state("evaluated") == _version(store):  # another process did it while this one waited
            return Evaluated(False, 0)
        rounds = _evaluate(store)
        store.set_state("evaluated", _version(store))
    return Evaluated(True, rounds)


def _version(store: Store) -> str:
    return f"{store.program.digest}:{store.state('facts') or '0'}"


def _evaluate(store: Store) -> int:
    program = store.program
    for relation in program.relations:
        if relation.resolved:
            store.execute(f"DELETE FROM {quote(relation.reads)}")
        if relation.derived:
            store.execute(f"DELETE FROM {quote(relation.rows)}")
    for text in program.constants:
        store.symbol(text)
    for name in program.resolve:
        _run(store, program.statements[name], {})
    sets = ProofSets(store) if program.semantics == "top_proofs" else None
    rounds = 0
    for stratum in program.strata:
        rounds += _stratum(store, stratum)
        if sets is not None:
            sets.add_stratum(stratum)
        for name in stratum.resolve:
            _run(store, program.statements[name], {})
    if sets is not None:
        sets.save()
    return rounds


def _stratum(store: Store, stratum: StratumPlan) -> int:
    statements = store.program.statements
    for name in stratum.base:
        _run(store, statements[name], {})
    if not stratum.delta:
        return 1
    low = dict.fromkeys(stratum.relations, 0)
    high = _last_rows(store, stratum)
    rounds = 1
    while high != low:
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
