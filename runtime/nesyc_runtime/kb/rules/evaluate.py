"""Derived relations from stored ones: stratum by stratum to a fixpoint, in one transaction.

Semi-naive evaluation by ranges of row numbers (see the emitter's `rules`): rows found in a round are read as new in
the next, until a round finds none. Nothing runs where neither facts nor rules changed since the last time.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from dataclasses import dataclass

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.change import DeriveAnew, can_change, change, keep_state
from nesyc_runtime.kb.rules.elsewhere import (
    derive_elsewhere,
    is_whole,
    nothing_elsewhere,
    remove,
    remove_others,
)
from nesyc_runtime.kb.rules.engine import Choice, choose, has_duckdb
from nesyc_runtime.kb.rules.proofsets import ProofSets
from nesyc_runtime.kb.rules.rounds import choose_winners, derive_stratum, run_statement
from nesyc_runtime.kb.rules.trial import ROWS, MoreThanExpected, Trial
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store, quote

SAMPLES = 400  # rows of an index that `measure` looks at
WORTH_MEASURING = 10_000


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
    if is_done(store):
        return Evaluated(False, 0)
    with store.writing():
        if is_done(store):  # another process did it while this one waited
            return Evaluated(False, 0)
        before = store.elsewhere.file
        remove_others(store)  # here no other process is about to name one
        done = _changed(store) or _anew(store)
        _refuse_infinite(store)
        keep_state(store)
        store.set_state("engine", json.dumps([done.engine, done.why]))
        store.set_state("evaluated", _version(store))
    if before != store.elsewhere.file:
        remove(store, before)
    return done


def _refuse_infinite(store: Store) -> None:
    """Raises `UserError` where a rule computed a number that no column holds, as facts of that kind are refused."""
    for plan in store.program.relations:
        for column in plan.columns:
            if not plan.derived or column.base not in ("number", "usd"):
                continue
            sql = f"SELECT 1 FROM {quote(plan.rows)} WHERE abs({quote(column.column)}) > :most LIMIT 1"
            if store.execute(sql, {"most": sys.float_info.max}).fetchone() is not None:
                place = store.declared[plan.name].location
                raise UserError(
                    f"{place.file}:{place.line}: a rule gives `{plan.name}.{column.name}` a number that is not finite",
                    "bound the arithmetic",
                )


def engine_used(store: Store) -> tuple[str, str]:
    """The engine that derived the relations as they are, and why it was chosen."""
    engine, why = json.loads(store.state("engine") or '["sqlite", "nothing was derived yet"]')
    return engine, why


def is_done(store: Store) -> bool:
    """Whether the derived relations are those of the facts and rules as they are."""
    store.find_elsewhere()
    if store.state("evaluated") != _version(store):
        return False
    if store.elsewhere.relations and (store.kb.engine == "sqlite" or not has_duckdb()):
        return False
    return is_whole(store)


def _version(store: Store) -> str:
    return f"{store.program.digest}:{store.state('facts') or '0'}"


def _changed(store: Store) -> Evaluated | None:
    """Bring up to date what a change reaches; None, nothing being done, where all is to be derived anew."""
    if store.elsewhere.relations:
        return _added(store)
    if not can_change(store):
        return None
    store.execute("SAVEPOINT change")
    try:
        return Evaluated(True, change(store), "sqlite", "only what changed was derived")
    except DeriveAnew:
        store.execute("ROLLBACK TO change")
        return None
    finally:
        store.execute("RELEASE change")


def _added(store: Store) -> Evaluated | None:
    """Add to what DuckDB holds; None, nothing being done, where all is to be derived anew."""
    if not has_duckdb():
        return None
    import duckdb

    from nesyc_runtime.kb.rules.more import add_elsewhere

    try:
        rounds = add_elsewhere(store)
    except duckdb.Error:
        return None
    return None if rounds is None else Evaluated(True, rounds, "duckdb", "only what came was joined")


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
        run_statement(store, program.statements[name])
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
        return derive_elsewhere(store), choice
    except (duckdb.Error, sqlite3.IntegrityError) as error:  # the latter for a number that is none
        first = str(error).partition("\n")[0]
        return None, Choice("sqlite", f"duckdb cannot run these rules: {first}")


def _on_trial(store: Store, choice: Choice) -> tuple[int | None, Choice]:
    """SQLite, for as long as there is little to do; then DuckDB."""
    store.execute("SAVEPOINT trial")
    try:
        return _with_sqlite(store, Trial(store)), choice
    except MoreThanExpected:
        store.execute("ROLLBACK TO trial")
    finally:
        store.execute("RELEASE trial")
    return _with_duckdb(store, Choice("duckdb", f"more than {ROWS} rows are expected"))


def _with_sqlite(store: Store, trial: Trial | None = None) -> int:
    """Rounds; raises `MoreThanExpected` where `trial` finds that there is more to do than DuckDB needs to begin."""
    program = store.program
    sets = ProofSets(store) if program.semantics == "top_proofs" else None
    rounds = 0
    for stratum in program.strata:
        rounds += derive_stratum(store, stratum, trial)
        if sets is not None:
            sets.add_stratum(stratum)
        choose_winners(store, stratum)
    if sets is not None:
        sets.save()
    measure(store)
    return rounds


def measure(store: Store) -> None:
    """Let SQLite look at large derived relations, from samples: it then skips through an index by its first column."""
    store.execute(f"PRAGMA analysis_limit = {SAMPLES}")
    for plan in store.program.relations:
        if plan.derived and _last_row(store, plan) > WORTH_MEASURING:
            store.execute(f"ANALYZE {quote(plan.rows)}")


def _last_row(store: Store, plan: RelationPlan) -> int:
    return int(store.connection.execute(f"SELECT ifnull(max(_row), 0) FROM {quote(plan.rows)}").fetchone()[0])
