"""The blocks that a recursion of DuckDB's is cut into.

A recursive CTE looks every row it finds up in a table of all it has found; once that outgrows the processor's caches each
look costs a trip to memory. Where a column is handed on (`carried`), the rows of one value of it never meet those of another:
block after block, each table stays small. A closure of ten million rows then takes 0.6 of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import sqlglot
from sqlglot import exp

from nesyc_runtime.kb.storage.rows import quote

BLOCK = 160_000  # rows of a block, some megabytes: fewer cost more in rounds than they save in looks
WEIGHTED = 80_000  # the same of rows with a confidence, which take twice the room
SAMPLED = 64  # one in so many values is tried beforehand
WORTH = 1_000  # rows to begin with, from which a sample tells and may pay
DEPTH = "nesyc.depth"  # no column that a spec declares is called so
DEEP = 64  # rounds from which a block costs more than it saves, each round taking 0.15 ms


def cut(
    connection: duckdb.DuckDBPyConnection,
    base: str,
    columns: Sequence[str],
    carried: Sequence[str],
    new: str,
    steps: Sequence[str],
    *,
    weighted: bool,
) -> list[str]:
    """Conditions on the rows of the table `base`, a block each, in which to run the recursion that begins with them.

    `columns`, and those of them that are `carried`, are quoted names; `steps` are the recursive SELECTs in DuckDB's words, which
    read the table `new`. Rows have a `conf` where they are `weighted`.
    """
    counted = ", ".join(f"count(DISTINCT {column})" for column in carried)
    ((size, *counts),) = connection.execute(f"SELECT count(*), {counted} FROM {base}").fetchall()
    values, column = max(zip(counts, carried, strict=True), key=lambda one: one[0])
    # a sample of fewer values says little, and they would be no more blocks than they are
    if size < WORTH or values < SAMPLED:
        return ["true"]
    rows = _rows_expected(connection, base, columns, column, new, steps, weighted=weighted)
    blocks = min(round(rows / (WEIGHTED if weighted else BLOCK)), values)
    return [_in_block(column, blocks, number) for number in range(blocks)] if blocks > 1 else ["true"]


def _rows_expected(
    connection: duckdb.DuckDBPyConnection,
    base: str,
    columns: Sequence[str],
    column: str,
    new: str,
    steps: Sequence[str],
    *,
    weighted: bool,
) -> int:
    """The rows that follow, by a sample of the column's values; 0 where it goes on for too long to be worth blocks."""
    key = ", ".join(columns)
    kept, best = (f"{key}, conf", "max(conf), ") if weighted else (key, "")
    depth = quote(DEPTH)
    more = " UNION ALL ".join(f"SELECT {kept}, {depth} FROM ({_deepened(step, new)})" for step in steps)
    ((rows, deepest),) = connection.execute(
        f"WITH RECURSIVE {quote(new)} ({kept}, {depth}) USING KEY ({key}, {best}min({depth})) AS ("
        f"SELECT {kept}, 0 AS {depth} FROM {base} WHERE {_in_block(column, SAMPLED, 0)} UNION ({more})) "
        f"SELECT count(*), max({depth}) FROM {quote(new)}"
    ).fetchall()
    return int(rows) * SAMPLED if rows and deepest < DEEP else 0


def _in_block(column: str, blocks: int, number: int) -> str:
    # with a constant: the hash of 0 alone is 0, and 0 would be in every sample
    return f"hash({column}, 1) % {blocks} = {number}"


def _deepened(step: str, new: str) -> str:
    """A recursive SELECT that also gives the round it finds a row in, `DEPTH`, and no row after `DEEP`."""
    tree = sqlglot.parse_one(step, read="duckdb")
    (table,) = (one for one in tree.find_all(exp.Table) if one.name == new)
    depth = exp.column(_named(DEPTH), table=_named(table.alias_or_name))
    select = table.find_ancestor(exp.Select)
    assert select is not None
    select.select(
        exp.alias_(exp.Add(this=depth, expression=exp.Literal.number(1)), _named(DEPTH)), copy=False
    )
    select.where(exp.LT(this=depth.copy(), expression=exp.Literal.number(DEEP)), copy=False)
    while (outer := select.parent_select) is not None:
        outer.select(exp.column(_named(DEPTH)), copy=False)
        select = outer
    return tree.sql("duckdb")


def _named(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
