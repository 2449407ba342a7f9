"""Facts that came, and what they add to relations that DuckDB holds: joined there, in a copy of its file.

Only what is new is joined, against all there is. A recursion that a recursive CTE can say goes on in rounds while there
is much that is new, since each round leaves out what was known; from the few rows then left one CTE finds all that
follows, known or not, which is sooner than a round for each step of the longest path.
"""

from __future__ import annotations

from nesyc_runtime.kb.rules.change import changes_are_few, rules_are_the_same, stored_changes
from nesyc_runtime.kb.rules.deltas import Deltas
from nesyc_runtime.kb.rules.duck_rules import DATA, NEW, NEXT, DuckRules
from nesyc_runtime.kb.rules.elsewhere import hold_elsewhere, is_whole, sizes_of, writing_file
from nesyc_runtime.kb.storage.duck import Duck
from nesyc_runtime.kb.storage.program import RelationPlan, StratumPlan
from nesyc_runtime.kb.storage.store import Store, quote

FEW = 1_000  # new rows from which all that follows is found at once
ROUNDS = 3  # rounds after which it is, however many there are
CAME, AHEAD = ".came.new", ".ahead.new"  # all that came, all that follows


def add_elsewhere(store: Store) -> int | None:
    """Join what came in DuckDB, within `store.writing()`; the number of rounds, or None where that is not enough.

    It is not where facts or rules went, where a negation, an aggregate or a choice of winners sees a change, or where
    most is new. Raises `duckdb.Error` for what DuckDB cannot do.
    """
    if store.path is None or store.kb.engine == "sqlite" or not is_whole(store):
        return None
    if not rules_are_the_same(store) or not changes_are_few(store):
        return None
    deltas = Deltas(store)
    try:
        stored_changes(store, deltas)
        if not deltas.only_adds() or not _is_monotone(store, deltas.found):
            return None
        return _continue(store, deltas)
    finally:
        deltas.drop()


def _is_monotone(store: Store, changed: set[str]) -> bool:
    """Whether more in these relations means only more in those derived from them."""
    reached = set(changed)
    for stratum in store.program.strata:
        if reached & set(stratum.finished):
            return False
        if reached & stratum.reads:
            reached |= set(stratum.relations)
            if any(store.relation(name).resolved for name in stratum.relations):
                return False
    return True


def _continue(store: Store, deltas: Deltas) -> int:
    held = store.elsewhere
    assert store.path is not None and held.file is not None
    derived = [plan for plan in store.program.relations if plan.derived]
    present = {table for plan in derived for table in (plan.rows, plan.reads)}
    with writing_file(store, present, store.path.with_name(held.file)) as duck:
        for name in sorted(deltas.found):
            plan = store.relation(name)
            duck.take(name + NEW, plan, deltas.found_table(name), deltas.names(plan))
        more = DuckMore(duck, store.program)
        rounds = more.add(deltas.found)
        for plan in derived:
            if plan.name in more.changed and plan.name not in held.relations:
                _write_back(store, duck, plan)
        sizes = sizes_of(duck, store.program)
        duck.run("COMMIT")
    hold_elsewhere(store, duck, held.relations, sizes)
    return rounds


def _write_back(store: Store, duck: Duck, plan: RelationPlan) -> None:
    """What came to a relation that is small enough to lie in the store."""
    columns = [quote(column.column) for column in plan.columns]
    columns += ["conf"] if store.program.semantics != "boolean" else []
    listed = ", ".join(columns)
    better = (
        "ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf WHERE excluded.conf > conf"
        if "conf" in columns
        else "ON CONFLICT DO NOTHING"
    )
    came = duck.connection.execute(f"SELECT {listed} FROM {quote(plan.name + NEW)}").fetchall()
    marks = ", ".join("?" * len(columns))
    store.connection.executemany(f"INSERT INTO {quote(plan.rows)} ({listed}) VALUES ({marks}) {better}", came)


class DuckMore(DuckRules):
    """The rules over what changed: the rows of the tables `.new`."""

    changed: set[str]

    def add(self, found: set[str]) -> int:
        """Bring every relation up to date, `found` being what is new in the stored ones; the number of rounds."""
        self.changed = set(found)
        return sum(self._reached(stratum) for stratum in self._program.strata)

    def _reached(self, stratum: StratumPlan) -> int:
        below = self.changed & stratum.reads
        if not below:
            return 0
        for name in stratum.relations:
            columns = f"SELECT {self._listed(name)} FROM {quote(name + DATA)} LIMIT 0"
            self._duck.run(f"CREATE TEMP TABLE {quote(name + CAME)} AS {columns}")
        fresh = self._round(stratum, below)
        rounds = 1
        while fresh and stratum.delta:
            if self._is_linear(stratum) and (rounds == ROUNDS or self._count(next(iter(fresh)) + NEW) < FEW):
                self._leap(stratum)
                fresh = set()
            else:
                fresh = self._round(stratum, fresh)
            rounds += 1
        for name in stratum.relations:
            self._duck.run(f"DROP TABLE {quote(name + NEW)}")
            self._duck.run(f"ALTER TABLE {quote(name + CAME)} RENAME TO {quote(name + NEW)}")
        self.changed |= {name for name in stratum.relations if self._count(name + NEW)}
        return rounds

    def _leap(self, stratum: StratumPlan) -> None:
        """All that follows from what is new, in the order in which rounds would find it."""
        (name,) = stratum.relations
        ahead = quote(name + AHEAD)
        self._duck.run(f"ALTER TABLE {quote(name + NEW)} RENAME TO {quote(name + NEXT)}")
        base = f"SELECT {self._listed(name)} FROM {quote(name + NEXT)}"
        follows = self._recursion(name, [base], self._steps(stratum))
        self._duck.run(f"CREATE TEMP TABLE {ahead} AS {follows}")
        self._duck.run(f"DROP TABLE {quote(name + NEXT)}")
        unknown = self._unknown(name, f"SELECT rowid AS _place, * FROM {ahead}")
        self._run_as(f"CREATE TEMP TABLE {quote(name + NEXT)}", f"SELECT * FROM ({unknown}) ORDER BY _place")
        self._duck.run(f"DROP TABLE {ahead}")
        self._keep(name)

    def _held(self, name: str) -> str:
        return name + DATA

    def _keep(self, name: str) -> None:
        listed = self._listed(name)
        self._duck.run(f"INSERT INTO {quote(name + CAME)} SELECT {listed} FROM {quote(name + NEXT)}")
        super()._keep(name)
