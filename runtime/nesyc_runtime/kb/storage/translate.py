"""Statements of the store, plain SQL as SQLite reads it, in the words of another engine: one syntax tree, two dialects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sqlglot
from sqlglot import exp

MORE = ".more"  # the table in memory that rows inserted into one of a file go to


@dataclass(frozen=True, slots=True)
class Translated:
    """`tables` it reads, those it names itself left out; `parameters` it binds by name; `limits` among those.

    `into` is the table an INSERT writes.
    """

    sql: str
    tables: tuple[str, ...]
    parameters: tuple[str, ...]
    limits: tuple[str, ...]
    into: str | None


@lru_cache(maxsize=512)
def to_duckdb(sql: str) -> Translated:
    """A SELECT or INSERT for DuckDB.

    What sqlglot leaves to us: `IS` between values, joins in a fixed order, and exact numbers where DuckDB would make
    decimals of them.
    """
    tree = sqlglot.parse_one(sql, read="sqlite")
    into = tree.find(exp.Table) if isinstance(tree, exp.Insert) else None
    if into is not None:
        written = into.name
        into.set("this", exp.to_identifier(f"{written}{MORE}", quoted=True))
    for node in list(tree.find_all(exp.Is)):
        if not isinstance(node.expression, (exp.Null, exp.Boolean)):
            node.replace(exp.NullSafeEQ(this=node.this, expression=node.expression))
    for join in tree.find_all(exp.Join):
        if join.args.get("on") is not None:
            join.set("kind", None)
    for literal in list(tree.find_all(exp.Literal)):
        if not literal.is_string and not literal.this.isdigit():
            literal.replace(exp.cast(exp.Literal.string(literal.this), "DOUBLE"))
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    bound = [node.name for node in tree.find_all(exp.Placeholder) if node.name]
    limits = [
        node.name
        for limit in tree.find_all(exp.Limit)
        for node in limit.find_all(exp.Placeholder)
        if node.name
    ]
    return Translated(
        tree.sql("duckdb", identify=True),
        tuple(dict.fromkeys(table.name for table in tree.find_all(exp.Table) if table.name not in own)),
        tuple(dict.fromkeys(bound)),
        tuple(dict.fromkeys(limits)),
        written if into is not None else None,
    )


def rows_of_insert(sql: str) -> str:
    """The SELECT of an `INSERT ... SELECT`, as SQLite reads it."""
    tree = sqlglot.parse_one(sql, read="sqlite")
    assert isinstance(tree, exp.Insert)
    return str(tree.expression.sql("sqlite", identify=True))
