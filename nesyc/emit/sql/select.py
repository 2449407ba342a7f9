"""Steps of a body put together as one SELECT."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.emit.sql import dialect
from nesyc.emit.sql.branches import Placed
from nesyc.emit.sql.layout import ROW
from nesyc.emit.sql.terms import Bindings, Value
from nesyc.ir import nodes


@dataclass(frozen=True, slots=True)
class Step:
    """One literal: for a positive atom the table it reads under `alias`, and the conditions it adds.

    `searched`: the columns its rows are looked up by; `binds`: the variables it is the first to bind; `comes_to`: an aggregate's value.
    """

    placed: Placed
    conditions: tuple[str, ...]
    table: str | None = None
    alias: str | None = None
    searched: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()
    comes_to: Value | None = None

    @property
    def atom(self) -> nodes.AtomLiteral:
        assert isinstance(self.placed.literal, nodes.AtomLiteral)
        return self.placed.literal


@dataclass(frozen=True, slots=True)
class Body:
    """Steps in order of evaluation; `bound` are all variables, those without a name as `wildcard` calls them."""

    steps: tuple[Step, ...]
    bound: Bindings

    @property
    def atoms(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.table is not None)


def select(
    columns: Sequence[str],
    body: Body,
    *,
    extra: Sequence[str] = (),
    fixed: bool = False,
    distinct: bool = False,
    joined: str | None = None,
    led: tuple[str, Sequence[str]] | None = None,
) -> str:
    """`SELECT columns FROM ... WHERE ...`; `fixed` keeps the order of the tables as it is.

    `joined` is a further table, its conditions in `extra`; `led` one to begin with, and conditions on all. An atom's conditions stand beside its table, tests in WHERE with the first table's.
    """
    lines = [("SELECT DISTINCT " if distinct else "SELECT ") + ", ".join(columns or ["1"])]
    where: list[str] = []
    word = "FROM"
    if led is not None:
        lines.append(f"FROM {led[0]}")
        where.extend(led[1])
        word = "CROSS JOIN" if fixed else "JOIN"
    for step in body.steps:
        if step.table is None:
            where.extend(step.conditions)
            continue
        line = f"{word} {dialect.name(step.table)} AS {step.alias}"
        if word == "FROM":
            where = [*step.conditions, *where]
        else:
            line += " ON " + (" AND ".join(step.conditions) or "true")
        lines.append(line)
        word = "CROSS JOIN" if fixed else "JOIN"
    if joined is not None:
        lines.append(f"FROM {joined}" if word == "FROM" else f"JOIN {joined} ON true")
    where.extend(extra)
    where = [condition for condition in where if condition != "true"] or where[:1]
    if where:
        lines.append("WHERE " + "\n  AND ".join(where))
    return "\n".join(lines)


def rows_of(body: Body) -> Iterator[str]:
    """The row numbers of the positive atoms, in order of the steps."""
    for step in body.atoms:
        yield f"{step.alias}.{ROW}"


def wildcard(path: Sequence[int], column: str) -> str:
    """The name under which the wildcard in `column` of the literal at `path` is bound; no variable has a blank."""
    return f"_ {'.'.join(map(str, path))} {column}"


def is_wildcard(variable: str) -> bool:
    return variable.startswith("_ ")
