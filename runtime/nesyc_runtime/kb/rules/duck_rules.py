"""The rules of a KB run by DuckDB: each stratum as the SQL a person would write for it.

A recursion through one relation, one recursive atom a rule, is a recursive CTE, which keeps of each row the best
confidence. Any other is iterated: a round joins the rows new in the last one with all there are and keeps what is new
or, where rows carry a confidence, better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from nesyc_runtime.kb.rules.blocks import cut
from nesyc_runtime.kb.rules.carried import carried_columns
from nesyc_runtime.kb.storage.duck import Duck, column_types
from nesyc_runtime.kb.storage.program import Program, RelationPlan, Scan, StratumPlan
from nesyc_runtime.kb.storage.store import quote
from nesyc_runtime.kb.storage.translate import rows_of_insert, to_duckdb

DATA, BASE, NEW, NEXT = ".data", ".base", ".new", ".next"


class DuckRules:
    """Derives everything a program derives into the tables of `duck`; its file then holds them."""

    def __init__(self, duck: Duck, program: Program) -> None:
        self._duck = duck
        self._program = program
        self._weighted = program.semantics != "boolean"
        # each column costs as much as the join; a database in memory is asked later, for all of them
        unread = ("_row",) if self._weighted else ("_row", "conf")
        self._unread = unread if duck.file is not None else ()

    def derive(self) -> int:
        """Run every stratum; gives the number of rounds. Raises `duckdb.Error` for what DuckDB cannot do."""
        rounds = 0
        for stratum in self._program.strata:
            rounds += self._stratum(stratum)
            for name in stratum.relations:
                self._publish(self._program.by_name[name])
        return rounds

    def _stratum(self, stratum: StratumPlan) -> int:
        scans = [scan for scan in stratum.scans if scan.driver == "all"]
        if not stratum.delta:
            for name in stratum.relations:
                self._table(name, self._union(stratum, (s for s in scans if s.head == name), name))
            return 1
        if self._is_linear(stratum):
            self._closure(stratum, scans)
            return 1
        return self._iterate(stratum, scans)

    def _is_linear(self, stratum: StratumPlan) -> bool:
        """Whether it is one relation whose rules read it once at most: a recursive CTE says it."""
        read = (len(_recursions(scan, stratum)) for scan in stratum.scans if scan.driver == "all")
        return len(stratum.relations) == 1 and max(read) <= 1

    def _closure(self, stratum: StratumPlan, scans: Sequence[Scan]) -> None:
        (name,) = stratum.relations
        base = self._selects(stratum, (scan for scan in scans if not _recursions(scan, stratum)), name)
        step = self._steps(stratum)
        if not base:
            self._table(name, None)
            return
        if carried := self._handed_on(name):
            self._closure_in_blocks(name, base, step, carried)
        else:
            self._duck.run(f"CREATE TABLE {quote(name + DATA)} AS {self._recursion(name, base, step)}")

    def _closure_in_blocks(
        self, name: str, base: Sequence[str], step: Sequence[str], carried: Sequence[str]
    ) -> None:
        start, columns = quote(name + BASE), self._columns(name)
        self._duck.run(f"CREATE TEMP TABLE {start} AS {' UNION ALL '.join(map(self._translated, base))}")
        steps = [self._translated(select) for select in step]
        blocks = cut(
            self._duck.connection, start, columns, carried, name + NEW, steps, weighted=self._weighted
        )
        title = f"CREATE TABLE {quote(name + DATA)} AS"
        for block in blocks:
            begun = f"SELECT {self._listed(name)} FROM {start} WHERE {block}"
            self._duck.run(f"{title} {self._recursion(name, [begun], step)}")
            title = f"INSERT INTO {quote(name + DATA)}"
        self._duck.run(f"DROP TABLE {start}")

    def _handed_on(self, name: str) -> list[str]:
        """The columns that the recursion hands on and that have a value in every row, as SQL names them."""
        columns = self._program.by_name[name].columns
        places = carried_columns(self._duck.store.kb, name)
        return [quote(columns[place].column) for place in places if not columns[place].nullable]

    def _steps(self, stratum: StratumPlan) -> list[str]:
        """The recursive rules of a linear stratum, led by what is new."""
        (name,) = stratum.relations
        recursive = (s for s in stratum.scans if s.driver == "all" and _recursions(s, stratum))
        return self._selects(stratum, recursive, name, {name: name + NEW})

    def _recursion(self, name: str, base: Sequence[str], step: Sequence[str]) -> str:
        """What follows from `base` by `step`, which reads it as `.new`: each row once, with its best confidence.

        Under a key DuckDB goes on, as a round does, from the rows whose confidence got better.
        """
        new, listed = quote(name + NEW), ", ".join(self._columns(name))
        kept = f"{listed}, conf) USING KEY ({listed}, max(conf)" if self._weighted else listed
        first, then = (" UNION ALL ".join(map(self._translated, selects)) for selects in (base, step))
        more = then if len(step) == 1 else f"({then})"
        return f"WITH RECURSIVE {new} ({kept}) AS ({first} UNION {more}) SELECT * FROM {new}"

    def _iterate(self, stratum: StratumPlan, scans: Sequence[Scan]) -> int:
        """In memory until it is done: what is written meanwhile is nobody's."""
        for name in stratum.relations:
            start = self._union(
                stratum, (s for s in scans if s.head == name and not _recursions(s, stratum)), name
            )
            table = self._program.by_name[name].rows
            self._table(name, start, table=table)
            self._duck.add(table)
            self._run_as(f"CREATE TEMP TABLE {quote(name + NEW)}", f"SELECT * FROM {quote(table)}")
        fresh = {name for name in stratum.relations if self._count(name + NEW)}
        rounds = 1
        while fresh:
            rounds += 1
            fresh = self._round(stratum, fresh)
        for name in stratum.relations:
            table = self._program.by_name[name].rows
            self._run_as(f"CREATE TABLE {quote(name + DATA)}", f"SELECT * FROM {quote(table)}")
            self._duck.run(f"DROP TABLE {quote(table)}")
            self._duck.run(f"DROP TABLE {quote(name + NEW)}")
        return rounds

    def _round(self, stratum: StratumPlan, fresh: set[str]) -> set[str]:
        for name in stratum.relations:
            led = (
                scan
                for scan in stratum.scans
                if scan.head == name and scan.driver == "atom" and scan.sources[0] in fresh
            )
            found = self._union(stratum, led, name, {one: one + NEW for one in fresh})
            if found is None:
                found = f"SELECT * FROM {quote(self._held(name))} WHERE false"
            self._run_as(f"CREATE TEMP TABLE {quote(name + NEXT)}", self._unknown(name, found))
        for name in stratum.relations:
            self._keep(name)
        return {name for name in stratum.relations if self._count(name + NEW)}

    def _held(self, name: str) -> str:
        """The table of a relation that rounds write."""
        return self._program.by_name[name].rows

    def _keep(self, name: str) -> None:
        """Write what is next into the relation; it is then what is new."""
        rows, new, listed = quote(self._held(name)), quote(name + NEXT), self._listed(name)
        if self._weighted:
            self._duck.run(f"UPDATE {rows} AS r SET conf = n.conf FROM {new} AS n WHERE r.rowid = n._old")
            self._duck.run(f"INSERT INTO {rows} SELECT {listed} FROM {new} WHERE _old IS NULL")
        else:
            self._duck.run(f"INSERT INTO {rows} SELECT {listed} FROM {new}")
        self._duck.run(f"DROP TABLE IF EXISTS {quote(name + NEW)}")
        self._duck.run(f"ALTER TABLE {new} RENAME TO {quote(name + NEW)}")

    def _unknown(self, name: str, found: str) -> str:
        """Those of `found` that the relation lacks, or has with less confidence (`_old`: the row to better)."""
        plan, rows = self._program.by_name[name], quote(self._held(name))
        same = " AND ".join(
            f"r.{quote(c.column)} {'IS' if c.nullable else '='} f.{quote(c.column)}" for c in plan.columns
        )
        if self._weighted:
            return (
                f"SELECT f.*, r.rowid AS _old FROM ({found}) AS f LEFT JOIN {rows} AS r ON {same} "
                "WHERE r.conf IS NULL OR r.conf < f.conf"
            )
        return f"SELECT f.* FROM ({found}) AS f WHERE NOT EXISTS (SELECT 1 FROM {rows} AS r WHERE {same})"

    def _publish(self, plan: RelationPlan) -> None:
        """The finished relation under the names the store's statements use."""
        self._duck.run(
            f"CREATE OR REPLACE VIEW {quote(plan.rows)} AS SELECT rowid + 1 AS _row, * FROM {quote(plan.name + DATA)}"
        )
        self._duck.add(plan.rows)
        if plan.resolved:
            statement = self._program.statements[f"{plan.name}.resolve"]
            self._run_as(f"CREATE TABLE {quote(plan.reads)}", rows_of_insert(statement.sql))
            self._duck.add(plan.reads)

    def _union(
        self, stratum: StratumPlan, scans: Iterator[Scan], name: str, instead: Mapping[str, str] | None = None
    ) -> str | None:
        """All that these scans find, each row once and with its best confidence; None for no scan."""
        chosen = list(scans)
        selects = self._selects(stratum, iter(chosen), name, instead or {})
        if not selects:
            return None
        if len(chosen) == 1 and chosen[0].once:
            return selects[0]
        listed = ", ".join(self._columns(name))
        rows = " UNION ALL ".join(selects)
        if self._weighted:
            return f"SELECT {listed}, max(conf) AS conf FROM ({rows}) GROUP BY {listed}"
        return f"SELECT DISTINCT {listed} FROM ({rows})"

    def _selects(
        self, stratum: StratumPlan, scans: Iterator[Scan], name: str, instead: Mapping[str, str] | None = None
    ) -> list[str]:
        """The scans with `instead` read for the relation that leads, or recurs, in each."""
        return [self._typed(name, scan.sql(self._tables(stratum, scan, instead or {}))) for scan in scans]

    def _tables(self, stratum: StratumPlan, scan: Scan, instead: Mapping[str, str]) -> list[str]:
        tables = []
        for index, source in enumerate(scan.sources):
            plan = self._program.by_name[source]
            own = plan.rows if source in stratum.relations else plan.reads
            # an atom scan is led by what is new; of the whole rule, the one recursive atom is
            leads = index == 0 or scan.driver == "all"
            tables.append(quote(instead.get(source, own) if leads else own))
        return tables

    def _typed(self, name: str, select: str) -> str:
        types = column_types(self._program.by_name[name])
        shown = [f"CAST({quote(column)} AS {kind}) AS {quote(column)}" for column, kind in types.items()]
        if self._weighted:
            shown.append("CAST(conf AS DOUBLE) AS conf")
        return f"SELECT {', '.join(shown)} FROM ({select})"

    def _table(self, name: str, select: str | None, table: str | None = None) -> None:
        """The relation's table, filled by `select`; empty without one."""
        title = f"CREATE {'TEMP ' if table else ''}TABLE {quote(table or name + DATA)}"
        if select is not None:
            self._run_as(title, select)
            return
        types = column_types(self._program.by_name[name]) | ({"conf": "DOUBLE"} if self._weighted else {})
        self._duck.run(f"{title} ({', '.join(f'{quote(c)} {kind}' for c, kind in types.items())})")

    def _run_as(self, title: str, select: str) -> None:
        self._duck.run(f"{title} AS {self._translated(select)}")

    def _translated(self, select: str) -> str:
        """A SELECT in DuckDB's words, the tables that it reads brought."""
        translated = to_duckdb(select)
        for table in translated.tables:
            if not table.endswith((DATA, BASE, NEW, NEXT)):
                self._duck.bring(table, without=self._unread)
        return translated.sql

    def _columns(self, name: str) -> list[str]:
        return [quote(column.column) for column in self._program.by_name[name].columns]

    def _listed(self, name: str) -> str:
        """The columns of a relation's table, its confidence among them where rows carry one."""
        return ", ".join([*self._columns(name), *(["conf"] if self._weighted else [])])

    def _count(self, table: str) -> int:
        ((count,),) = self._duck.connection.execute(f"SELECT count(*) FROM {quote(table)}").fetchall()
        return int(count)


def _recursions(scan: Scan, stratum: StratumPlan) -> list[str]:
    return [source for source in scan.sources if source in stratum.relations]
