"""A stratum brought up to date with what changed below it: delete and rederive, then insert.

Gupta, Mumick and Subrahmanian, "Maintaining Views Incrementally" (SIGMOD 1993), algorithm DRed: every fact that some
lost fact helped to derive is taken out; those that the rest still proves come back; then what was found is joined in,
and rounds go on from both. Under max_min and max_product only facts whose best proof may have used a lost one are taken
out, which is enough: the best proof of any other stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from nesyc_runtime.kb.rules.deltas import FOUND, LOST, Deltas, same_row
from nesyc_runtime.kb.rules.rounds import Rows, continue_rounds, last_rows, run_rule, run_statement
from nesyc_runtime.kb.storage.program import RelationPlan, Scan, StratumPlan
from nesyc_runtime.kb.storage.store import Store, quote

OVER, STEP, NEXT = ".over", ".step", ".next"
# The share of a stratum's rows beyond which taking out and proving again costs more than deriving anew, and the
# number of rows up to which neither matters.
SHARE, FEW = 0.02, 500
# A value is a product in one fixed order, but that of a better proof may round the other way.
SLACK = 1e-9


class Maintenance:
    """One stratum of one evaluation. Its rules are as they were, and nothing it reads as `finished` changed."""

    def __init__(self, store: Store, stratum: StratumPlan, deltas: Deltas) -> None:
        self._store = store
        self._stratum = stratum
        self._deltas = deltas
        self._weighted = store.program.semantics != "boolean"
        self._plans = {name: store.relation(name) for name in stratum.relations}

    def run(self) -> int | None:
        """The number of rounds, or None, nothing being changed, where deriving anew is the shorter way."""
        if not self._mark():
            return None
        for plan in self._plans.values():
            if plan.resolved:
                self._deltas.remember(plan)
        self._take_out()
        low = last_rows(self._store, self._stratum)
        self._prove_again()
        self._insert_found()
        rounds = continue_rounds(self._store, self._stratum, low)
        for plan in self._plans.values():
            self._note(plan, low)
        return rounds

    def _mark(self) -> bool:
        """Find every fact that a lost one may hold up (`.over`); False where there are too many."""
        for plan in self._plans.values():
            for end in (OVER, STEP, NEXT):
                self._deltas.make(plan.name + end, "SELECT 0 AS _row WHERE false")
                index = f"temp.{quote(plan.name + end + '.row')}"
                self._store.execute(f"CREATE UNIQUE INDEX {index} ON {quote(plan.name + end)} (_row)")
        left = max(int(sum(last_rows(self._store, self._stratum).values()) * SHARE), FEW)
        scans = [scan for scan in self._stratum.scans if scan.driver == "atom"]
        for scan in scans:
            for tables in self._losing(scan):
                left -= self._mark_heads(scan, tables)
                if left < 0:
                    return False
        while self._advance():
            for scan in scans:
                if scan.sources[0] in self._plans:
                    stepped = self._stepped(self._plans[scan.sources[0]])
                    left -= self._mark_heads(scan, [stepped, *self._now(scan)[1:]])
                    if left < 0:
                        return False
        return True

    def _losing(self, scan: Scan) -> Iterator[list[str]]:
        """The scan led by lost rows, with every choice of lost or present rows for its other atoms."""
        if scan.sources[0] not in self._deltas.lost or scan.sources[0] in self._plans:
            return
        now = self._now(scan)
        choices = [[self._deltas.lost_table(scan.sources[0])]]
        for name, table in zip(scan.sources[1:], now[1:], strict=True):
            lost = name in self._deltas.lost and name not in self._plans
            choices.append([table, self._deltas.lost_table(name)] if lost else [table])
        for chosen in product(*choices):
            yield list(chosen)

    def _mark_heads(self, scan: Scan, tables: Sequence[str]) -> int:
        plan = self._plans[scan.head]
        same = same_row(plan, "s", "h")
        if self._weighted:
            same += f" AND s.conf >= h.conf * (1.0 - {SLACK})"
        return run_rule(
            self._store,
            scan.rule,
            f"INSERT OR IGNORE INTO temp.{quote(plan.name + NEXT)} (_row) SELECT h._row FROM ({scan.sql(tables)}) AS s "
            f"CROSS JOIN {quote(plan.rows)} AS h ON {same} "
            f"WHERE h._row NOT IN (SELECT _row FROM temp.{quote(plan.name + OVER)})",
        )

    def _advance(self) -> bool:
        """Make the facts marked last those that lead; False where there are none."""
        marked = 0
        for name in self._plans:
            over, step, next_ = (f"temp.{quote(name + end)}" for end in (OVER, STEP, NEXT))
            self._store.execute(f"DELETE FROM {step}")
            marked += self._store.execute(f"INSERT INTO {step} SELECT _row FROM {next_}").rowcount
            self._store.execute(f"INSERT INTO {over} SELECT _row FROM {next_}")
            self._store.execute(f"DELETE FROM {next_}")
        return marked > 0

    def _stepped(self, plan: RelationPlan) -> str:
        return (
            f"(SELECT r.* FROM temp.{quote(plan.name + STEP)} AS o "
            f"CROSS JOIN {quote(plan.rows)} AS r ON r._row = o._row)"
        )

    def _take_out(self) -> None:
        for plan in self._plans.values():
            over = f"SELECT _row FROM temp.{quote(plan.name + OVER)}"
            listed = ", ".join(self._deltas.columns(plan))
            rows = quote(plan.rows)
            lost = self._deltas.make(plan.name + LOST, f"SELECT {listed} FROM {rows} WHERE _row IN ({over})")
            if lost:
                self._store.execute(f"DELETE FROM {rows} WHERE _row IN ({over})")

    def _prove_again(self) -> None:
        for scan in self._stratum.scans:
            if scan.driver == "head":
                table = self._deltas.lost_table(scan.head)
                self._insert(scan, [table, *self._now(scan)[1:]])

    def _insert_found(self) -> None:
        for scan in self._stratum.scans:
            if scan.driver == "atom" and scan.sources[0] in self._deltas.found - self._plans.keys():
                table = self._deltas.found_table(scan.sources[0])
                self._insert(scan, [table, *self._now(scan)[1:]])

    def _insert(self, scan: Scan, tables: Sequence[str]) -> None:
        plan = self._plans[scan.head]
        listed = ", ".join(self._deltas.columns(plan))
        found = f"SELECT {listed} FROM ({scan.sql(tables)}) WHERE true"
        if self._weighted:
            sql = (
                f"INSERT INTO {quote(plan.rows)} ({listed}) {found} "
                "ON CONFLICT DO UPDATE SET _row = excluded._row, conf = excluded.conf WHERE excluded.conf > conf"
            )
        else:
            sql = f"INSERT OR IGNORE INTO {quote(plan.rows)} ({listed}) {found}"
        run_rule(self._store, scan.rule, sql)

    def _note(self, plan: RelationPlan, low: Rows) -> None:
        """What the relation found and lost, for the strata above."""
        listed = ", ".join(f"r.{column}" for column in self._deltas.columns(plan))
        rows, lost = quote(plan.rows), self._deltas.lost_table(plan.name)
        same = same_row(plan, "l", "r") + (" AND l.conf = r.conf" if self._weighted else "")
        new = f"SELECT {listed} FROM {rows} AS r WHERE r._row > {low[plan.name]}"
        before = ", ".join(f"l.{column}" for column in self._deltas.columns(plan))
        found = self._deltas.make(plan.name + FOUND, f"{new} EXCEPT SELECT {before} FROM {lost} AS l")
        self._store.execute(f"DELETE FROM {lost} AS l WHERE EXISTS (SELECT 1 FROM {rows} AS r WHERE {same})")
        left = self._store.execute(f"SELECT count(*) FROM {lost}").fetchone()[0]
        self._deltas.note(plan.name, found, left)
        if plan.resolved and (found or left):
            self._store.execute(f"DELETE FROM {quote(plan.reads)}")
            run_statement(self._store, self._store.program.statements[f"{plan.name}.resolve"])
        if plan.resolved:
            self._deltas.compare(plan)

    def _now(self, scan: Scan) -> list[str]:
        """The tables of a scan as they are."""
        by_name = self._store.program.by_name
        return [
            quote(by_name[name].rows if name in self._plans else by_name[name].reads) for name in scan.sources
        ]
