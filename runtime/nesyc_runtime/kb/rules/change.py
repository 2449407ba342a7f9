"""Derived relations after a change: only the strata it reaches, each by the shortest way.

A stratum whose rules changed, or that negates or counts a relation that changed, is derived anew and compared with what
it was; any other is maintained from what changed. What then comes out as it was reaches no further.
"""

from __future__ import annotations

import json

from nesyc_runtime.kb.rules.deltas import Deltas, empty_logs, logged
from nesyc_runtime.kb.rules.engine import choose
from nesyc_runtime.kb.rules.maintain import Maintenance
from nesyc_runtime.kb.rules.rounds import choose_winners, derive_stratum, run_statement
from nesyc_runtime.kb.storage.program import StratumPlan
from nesyc_runtime.kb.storage.store import Store, quote

# The number of changed facts up to which an index made for one statement costs more than it saves: skipping through the
# index there is, or reading it whole, is quicker.
FEW = 64
# The share of the facts that rules read from which a change is a new KB.
MOST = 0.5


class DeriveAnew(Exception):
    """A change reaches so far that the other engine derives everything sooner."""


def can_change(store: Store) -> bool:
    """Whether what was derived last is there to start from."""
    if store.program.semantics == "top_proofs" or store.elsewhere.relations:
        return False
    before = _digests(store)
    if not any(before.get(stratum.key) == stratum.digest for stratum in store.program.strata):
        return False
    return changes_are_few(store)


def rules_are_the_same(store: Store) -> bool:
    """Whether every stratum was derived by the rules it has now."""
    before = _digests(store)
    return all(before.get(stratum.key) == stratum.digest for stratum in store.program.strata)


def changes_are_few(store: Store) -> bool:
    """Whether most facts that rules read are as they were."""
    changes = facts = 0
    for plan in logged(store):
        for table in (plan.came, plan.gone):
            changes += store.execute(f"SELECT count(*) FROM {quote(table)}").fetchone()[0]
        facts += store.execute(f"SELECT count(*) FROM {quote(plan.rows)}").fetchone()[0]
    return changes <= max(facts * MOST, 100)


def change(store: Store) -> int:
    """Bring every stratum up to date, within `store.writing()`; gives the number of rounds.

    Raises `UserError` where a rule computes what its column cannot hold, `DeriveAnew` where that is the shorter way.
    """
    before = _digests(store)
    deltas = Deltas(store)
    try:
        stored_changes(store, deltas)
        store.execute(f"PRAGMA automatic_index = {int(deltas.rows > FEW)}")
        rounds = sum(_stratum(store, stratum, deltas, before) for stratum in store.program.strata)
    finally:
        store.execute("PRAGMA automatic_index = 1")
        deltas.drop()
    return rounds


def _digests(store: Store) -> dict[str, str]:
    """What the strata were derived from, by the relations of each."""
    found: dict[str, str] = json.loads(store.state("strata") or "{}")
    return found


def keep_state(store: Store) -> None:
    """Say what the relations hold: all that these rules derive from the stored rows as they are."""
    empty_logs(store)
    if not store.elsewhere.relations:
        store.set_state("derived rows", str(_derived_rows(store)))
    digests = {stratum.key: stratum.digest for stratum in store.program.strata}
    store.set_state("strata", json.dumps(digests))


def _derived_rows(store: Store) -> int:
    """About how many rows the derived relations have."""
    tables = (quote(plan.rows) for plan in store.program.relations if plan.derived)
    return sum(store.execute(f"SELECT max(_row) FROM {table}").fetchone()[0] or 0 for table in tables)


def stored_changes(store: Store, deltas: Deltas) -> None:
    """What changed in the stored relations, the winners among candidates chosen again."""
    for text in store.program.constants:
        store.symbol(text)
    for plan in store.program.relations:
        if plan.resolved and not plan.derived:
            deltas.remember(plan)
            store.execute(f"DELETE FROM {quote(plan.reads)}")
            run_statement(store, store.program.statements[f"{plan.name}.resolve"])
            deltas.compare(plan)
    for plan in logged(store):
        if not plan.resolved:
            deltas.read_log(plan)


def _stratum(store: Store, stratum: StratumPlan, deltas: Deltas, before: dict[str, str]) -> int:
    same_rules = before.get(stratum.key) == stratum.digest
    changed = deltas.changed & stratum.reads - set(stratum.relations)
    if same_rules and not changed:
        return 0
    if same_rules and not stratum.interns and not changed & set(stratum.finished):
        rounds = Maintenance(store, stratum, deltas).run()
        if rounds is not None:
            return rounds
        if choose(store).engine == "duckdb":
            raise DeriveAnew
    return _anew(store, stratum, deltas)


def _anew(store: Store, stratum: StratumPlan, deltas: Deltas) -> int:
    plans = [store.relation(name) for name in stratum.relations]
    read = any(set(stratum.relations) & other.reads for other in store.program.strata if other is not stratum)
    for plan in plans:
        if read:
            deltas.remember(plan)
        for table in {plan.rows, plan.reads}:
            store.execute(f"DELETE FROM {quote(table)}")
    rounds = derive_stratum(store, stratum)
    choose_winners(store, stratum)
    for plan in plans if read else ():
        deltas.compare(plan)
    return rounds
