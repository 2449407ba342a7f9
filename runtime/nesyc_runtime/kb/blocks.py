"""How many blocks a recursion of DuckDB's is cut into.

A recursive CTE looks every row it finds up in a table of all it has found; once that outgrows the processor's caches each
look costs a trip to memory. Where a column is handed on (`carried`), the rows of one value of it never meet those of another:
block after block, each table stays small. A closure of ten million rows then takes half the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import sqlglot
from sqlglot import exp

from nesyc_runtime.kb.rows import quote

BLOCK = 160_000  # rows of a block, some megabytes: fewer cost more in rounds than they save in looks
WEIGHTED = 80_000  # the same of rows with a confidence, which take twice the room
SAMPLED = 64  # one in so many values is tried beforehand
WORTH = 1_000  # rows to begin with, from which a sample tells and may pay
DEPTH = "nesyc.depth"  # no column that a spec declares is called so
DEEP = 64  # rounds from which a block costs more than it saves, each round taking 0.15 ms


def count_blocks(
    connection: duckdb.DuckDBPyConnection,
    base: str,
    columns: Sequence[str],
    column: str,
    new: str,
    steps: Sequence[str],
    *,
    weighted: bool,
) -> int:
    """The blocks by `hash(column)` in which to run the recursion that begins with the table `base`; 1 is all at once.

    `columns` and `column` are quoted names; `steps` are the recursive SELECTs in DuckDB's words, which read the table `new`.
    Rows carry a `conf` where they are `weighted`.
    """
    ((size,),) = connection.execute(f"SELECT count(*) FROM {base}").fetchall()
    if size < WORTH:
        return 1
    key = ", ".join(columns)
    kept, best = (f"{key}, conf", "max(conf), ") if weighted else (key, "")
    depth = quote(DEPTH)
    more = " UNION ALL ".join(f"SELECT {kept}, {depth} FROM ({_deepened(step, new)})" for step in steps)
    ((rows, deepest),) = connection.execute(
        f"WITH RECURSIVE {quote(new)} ({kept}, {depth}) USING KEY ({key}, {best}min({depth})) AS ("
        f"SELECT {kept}, 0 AS {depth} FROM {base} WHERE {in_block(column, SAMPLED, 0)} UNION ({more})) "
        f"SELECT count(*), max({depth}) FROM {quote(new)}"
    ).fetchall()
    if not rows or deepest >= DEEP:
        return 1
    blocks: float = rows * SAMPLED / (WEIGHTED if weighted else BLOCK)
    return max(1, round(blocks))


def in_block(column: str, blocks: int, number: int) -> str:
    """The condition that a row's value puts it into a block."""
    return f"hash({column}) % {blocks} = {number}"


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
