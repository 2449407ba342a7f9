"""What changed in a relation, as two temporary tables of its columns: rows found and rows lost.

Of a stored relation they come from its change log, of a derived one from its maintenance, or from comparing it with
what it was. A row whose confidence changed is lost as it was and found as it is.
"""

from __future__ import annotations

from collections.abc import Sequence

from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store, quote

FOUND, LOST, OLD = ".found", ".lost", ".old"


class Deltas:
    """The relations that changed in this evaluation, and their tables."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._weighted = store.program.semantics != "boolean"
        self._made: list[str] = []
        self.rows = 0  # of all delta tables so far
        self.found: set[str] = set()
        self.lost: set[str] = set()

    @property
    def changed(self) -> set[str]:
        return self.found | self.lost

    def names(self, plan: RelationPlan) -> list[str]:
        """The columns of the delta tables: those that are not computed, then the confidence where it matters."""
        named = [column.column for column in plan.columns if not column.computed]
        return [*named, *(["conf"] if self._weighted else [])]

    def columns(self, plan: RelationPlan) -> list[str]:
        """The same as SQL has them."""
        return [quote(name) for name in self.names(plan)]

    def only_adds(self) -> bool:
        """Whether nothing was lost but what was found again with more confidence."""
        if not self._weighted:
            return not self.lost
        return not any(self._worse(self._store.relation(name)) for name in self.lost)

    def _worse(self, plan: RelationPlan) -> bool:
        better = f"{same_row(plan, 'l', 'f')} AND f.conf > l.conf"
        found = f"SELECT 1 FROM {self.found_table(plan.name)} AS f WHERE {better}"
        sql = f"SELECT 1 FROM {self.lost_table(plan.name)} AS l WHERE NOT EXISTS ({found}) LIMIT 1"
        return self._store.execute(sql).fetchone() is not None

    def found_table(self, name: str) -> str:
        return f"temp.{quote(name + FOUND)}"

    def lost_table(self, name: str) -> str:
        return f"temp.{quote(name + LOST)}"

    def make(self, title: str, select: str) -> int:
        """Make a temporary table; gives its number of rows."""
        table = f"temp.{quote(title)}"
        self._store.execute(f"DROP TABLE IF EXISTS {table}")
        self._store.execute(f"CREATE TEMP TABLE {quote(title)} AS {select}")
        self._made.append(table)
        return int(self._store.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    def read_log(self, plan: RelationPlan) -> None:
        """Note the net change of a stored relation since the log was emptied."""
        listed = ", ".join(self.columns(plan))
        came = f"SELECT {listed} FROM {quote(plan.rows)} WHERE _row IN (SELECT _row FROM {quote(plan.came)})"
        gone = f"SELECT {listed} FROM {quote(plan.gone)}"
        self._note(plan, f"{came} EXCEPT {gone}", f"{gone} EXCEPT SELECT {listed} FROM ({came})")

    def remember(self, plan: RelationPlan) -> None:
        """Keep what a relation shows now, to compare with later."""
        self.make(plan.name + OLD, f"SELECT {', '.join(self.columns(plan))} FROM {quote(plan.reads)}")

    def compare(self, plan: RelationPlan) -> None:
        """Note how what a relation shows differs from what was remembered."""
        listed = ", ".join(self.columns(plan))
        now = f"SELECT {listed} FROM {quote(plan.reads)}"
        before = f"SELECT {listed} FROM temp.{quote(plan.name + OLD)}"
        self._note(plan, f"{now} EXCEPT {before}", f"{before} EXCEPT {now}")

    def _note(self, plan: RelationPlan, found: str, lost: str) -> None:
        self.note(plan.name, self.make(plan.name + FOUND, found), self.make(plan.name + LOST, lost))

    def note(self, name: str, found: int, lost: int) -> None:
        """Take the tables of a relation as made, with these numbers of rows."""
        self.rows += found + lost
        self.found.discard(name)
        self.lost.discard(name)
        if found:
            self.found.add(name)
        if lost:
            self.lost.add(name)

    def drop(self) -> None:
        """Remove the temporary tables."""
        for table in self._made:
            self._store.execute(f"DROP TABLE IF EXISTS {table}")


def same_row(plan: RelationPlan, left: str, right: str) -> str:
    """The condition that two rows are the same, nulls alike; columns that are computed take no part."""
    return " AND ".join(
        f"{right}.{quote(c.column)} {'IS' if c.nullable else '='} {left}.{quote(c.column)}"
        for c in plan.columns
        if not c.computed
    )


def empty_logs(store: Store) -> None:
    """Begin the change logs anew: the rules have seen everything."""
    for plan in logged(store):
        store.execute(f"DELETE FROM {quote(plan.came)}")
        store.execute(f"DELETE FROM {quote(plan.gone)}")


def logged(store: Store) -> Sequence[RelationPlan]:
    """The stored relations that rules read."""
    read = set().union(*(stratum.reads for stratum in store.program.strata))
    return [plan for plan in store.program.relations if not plan.derived and plan.name in read]
