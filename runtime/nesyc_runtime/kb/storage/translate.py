"""Statements of the store, plain SQL as SQLite reads it, in the words of another engine: one syntax tree, two dialects."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

# Functions whose last details differ between engines, by the names under which DuckDB gets the store's own.
OWN = {"lower": "nesyc_lower", "upper": "nesyc_upper", "regexp": "nesyc_regexp", "text": "nesyc_text"}
MORE = ".more"  # the table in memory that rows inserted into one of a file go to


@dataclass(frozen=True, slots=True)
class Translated:
    """`tables` it reads, those it names itself left out; `parameters` it binds by name; `limits` among those.

    `into` is the table an INSERT writes. `own`: it calls functions of `OWN`.
    """

    sql: str
    tables: tuple[str, ...]
    parameters: tuple[str, ...]
    limits: tuple[str, ...]
    into: str | None
    own: bool


@lru_cache(maxsize=512)
def to_duckdb(sql: str) -> Translated:
    """A SELECT or INSERT for DuckDB.

    What sqlglot leaves to us: `IS` between values, joins in a fixed order, exact numbers where DuckDB would make
    decimals of them, and remainders of a division by zero.
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
    for remainder in tree.find_all(exp.Mod):
        remainder.set("expression", _unless_zero(remainder.expression))
    for literal in list(tree.find_all(exp.Literal)):
        if not literal.is_string and not literal.this.isdigit():
            literal.replace(exp.cast(exp.Literal.string(literal.this), "DOUBLE"))
    for call in reversed(
        list(tree.find_all(exp.Anonymous))
    ):  # what stands inside another first: it is copied
        if call.name == "whole":  # DuckDB's whole numbers overflow by themselves
            call.replace(call.expressions[0])
        elif call.name == "remainder":
            left, right = (exp.cast(one, "DOUBLE") for one in call.expressions)
            left_over = exp.Mod(this=left, expression=_unless_zero(right))  # fmod() rounds down instead
            call.replace(exp.Nullif(this=left_over, expression=exp.cast(exp.Literal.string("NaN"), "DOUBLE")))
    calls = _call_own(tree)
    named = {cte.alias for cte in tree.find_all(exp.CTE)}
    bound = [node.name for node in tree.find_all(exp.Placeholder) if node.name]
    limits = [
        node.name
        for limit in tree.find_all(exp.Limit)
        for node in limit.find_all(exp.Placeholder)
        if node.name
    ]
    return Translated(
        tree.sql("duckdb", identify=True),
        tuple(dict.fromkeys(table.name for table in tree.find_all(exp.Table) if table.name not in named)),
        tuple(dict.fromkeys(bound)),
        tuple(dict.fromkeys(limits)),
        written if into is not None else None,
        calls,
    )


def _unless_zero(node: Any) -> Any:
    return exp.Nullif(this=node, expression=exp.Literal.number(0))


def _call_own(tree: Any) -> bool:
    """Let functions of texts be those that SQLite is given, and a number be written as SQLite writes it."""
    found = False
    calls = list(tree.find_all(exp.Lower, exp.Upper, exp.RegexpLike, exp.Cast))
    for node in reversed(calls):  # what stands inside another first: it is copied
        match node:
            case exp.Lower():
                own: Any = exp.func(OWN["lower"], node.this)
            case exp.Upper():
                own = exp.func(OWN["upper"], node.this)
            case exp.RegexpLike():
                own = exp.func(OWN["regexp"], node.expression, node.this)
            case exp.Cast() if node.is_type("text"):
                real = exp.EQ(
                    this=exp.func("typeof", node.this.copy()), expression=exp.Literal.string("DOUBLE")
                )
                written = exp.func(OWN["text"], exp.cast(node.this.copy(), "DOUBLE"))
                own = exp.Case().when(real, written).else_(node.copy())
            case _:
                continue
        node.replace(own)
        found = True
    return found


def rows_of_insert(sql: str) -> str:
    """The SELECT of an `INSERT ... SELECT`, as SQLite reads it."""
    tree = sqlglot.parse_one(sql, read="sqlite")
    assert isinstance(tree, exp.Insert)
    return str(tree.expression.sql("sqlite", identify=True))
