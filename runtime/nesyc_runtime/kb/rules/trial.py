"""How much SQLite would derive, seen before it is derived: joins counted up to a limit, rounds drawn out as they shrink.

SQLite is ahead of DuckDB as long as there is less to do than it takes to open one; that is soon seen.
"""

from __future__ import annotations

from collections.abc import Sequence

from nesyc_runtime.kb.storage.program import Scan, StratumPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

# Rows, about 20 ms of work in SQLite, which is what DuckDB needs to begin.
ROWS = 20_000
# Rows from which on a recursion's rounds tell how it goes on.
TELLING = 1_000


class MoreThanExpected(Exception):
    """Rules derive more rows than SQLite is quick with."""


class Trial:
    """One evaluation by SQLite that is given up where it turns out long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows = 0

    def begin(self, stratum: StratumPlan) -> None:
        """Count what the rules join before any round; raises `MoreThanExpected`."""
        for scan in stratum.scans:
            if scan.driver == "all" and not set(scan.sources) & set(stratum.relations):
                self._rows += self._count(scan)
                if self._rows > ROWS:
                    raise MoreThanExpected

    def _count(self, scan: Scan) -> int:
        """The rows of a join, or, of one atom, of the relation: nothing is found twice."""
        tables = [quote(self._store.program.by_name[name].reads) for name in scan.sources]
        limited = f"SELECT 1 FROM ({scan.sql(tables)}) LIMIT {ROWS + 1 - self._rows}"
        return int(self._store.execute(f"SELECT count(*) FROM ({limited})").fetchone()[0])

    def go_on(self, found: Sequence[int]) -> None:
        """Judge a recursion by the rows its rounds found; raises `MoreThanExpected`.

        Rounds that shrink as the last ones did end after about `last * ratio / (1 - ratio)` rows more.
        """
        total, last, before = sum(found), found[-1], found[-2] if len(found) > 1 else 0
        if self._rows + total <= TELLING:
            return
        left = ROWS if last >= before else last * last / (before - last)
        if self._rows + total + left > ROWS:
            raise MoreThanExpected
