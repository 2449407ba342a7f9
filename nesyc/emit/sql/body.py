"""A conjunction of literals as the FROM and WHERE of a SELECT.

Literals are taken in an order in which each finds its variables bound: tests as soon as they can be made,
atoms as the caller orders them. NULL never joins and never equals: every condition is plain SQL equality.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never

from nesyc.emit.sql import dialect
from nesyc.emit.sql.branches import Branch, Placed, branches
from nesyc.emit.sql.layout import Layout, Table
from nesyc.emit.sql.select import Body, Step, is_wildcard, select, wildcard
from nesyc.emit.sql.terms import (
    Bindings,
    Constants,
    Value,
    column_value,
    equal,
    plain,
    stored,
    term_value,
    variables,
    whole,
    written,
)
from nesyc.ir import nodes


@dataclass
class Scope:
    """What compiling one statement shares: where relations lie, how constants are spelled, fresh aliases.

    `candidates` are the relations of the stratum at work, read with all their candidates rather than the winners.
    """

    layout: Layout
    candidates: frozenset[str] = frozenset()
    constants: Constants = written
    aliases: int = 0

    def alias(self, table: Table) -> str:
        self.aliases += 1
        return dialect.name(f"{table.name}_{self.aliases}")

    def source(self, relation: str) -> tuple[Table, str]:
        table = self.layout.tables[relation]
        return table, table.rows if relation in self.candidates else table.reads


Order = Callable[[Sequence[Placed], Mapping[str, Value]], Placed]


def written_order(ready: Sequence[Placed], bound: Mapping[str, Value]) -> Placed:
    """Atoms as they stand in the source."""
    return ready[0]


def most_bound(ready: Sequence[Placed], bound: Mapping[str, Value]) -> Placed:
    """The atom with the largest part of its arguments known, so that an index finds its rows; ties as written."""
    return max(ready, key=lambda placed: known_part(placed, bound))


def known_part(placed: Placed, bound: Bindings) -> float:
    """The part of an atom's arguments that is known."""
    terms = _atom(placed).terms
    unknown = sum(
        isinstance(term, nodes.Var) and (term.name is None or term.name not in bound) for term in terms
    )
    return 1 - unknown / len(terms)


def starting_with(first: Placed) -> Order:
    """One atom as soon as it can be read, the others by `most_bound`."""

    def order(ready: Sequence[Placed], bound: Mapping[str, Value]) -> Placed:
        return first if first in ready else most_bound(ready, bound)

    return order


def compile_body(
    scope: Scope,
    branch: Branch,
    bound: Bindings | None = None,
    order: Order = written_order,
    *,
    tests_first: bool = True,
) -> Body:
    """The steps of one alternative of a body; `tests_first` makes each test as soon as it can be made.

    Raises `AssertionError` where a variable is never bound, which the checks refuse (E0402).
    """
    env: dict[str, Value] = dict(bound or {})
    waiting = list(branch)
    steps: list[Step] = []
    while waiting:
        ready = [placed for placed in waiting if _ready(placed, env)]
        assert ready, f"no literal of the body can be evaluated: {waiting[0].literal.text}"
        tests = [placed for placed in ready if _is_test(placed)]
        if not tests_first:
            placed = ready[0]
        else:
            placed = tests[0] if tests else order(ready, env)
        steps.append(_test(scope, placed, env) if _is_test(placed) else _read(scope, placed, env))
        waiting.remove(placed)
    return Body(tuple(steps), env)


def _atom(placed: Placed) -> nodes.AtomLiteral:
    assert isinstance(placed.literal, nodes.AtomLiteral)
    return placed.literal


def _is_test(placed: Placed) -> bool:
    return not isinstance(placed.literal, nodes.AtomLiteral) or placed.literal.negated


def _ready(placed: Placed, bound: Mapping[str, Value]) -> bool:
    """Whether the literal can be evaluated now: what it needs is bound, or it binds it itself."""
    literal = placed.literal
    match literal:
        case nodes.AtomLiteral():
            if literal.negated:
                return all(name in bound for term in literal.terms for name in variables(term))
            computed = (term for term in literal.terms if isinstance(term, nodes.Apply))
            return all(name in bound for term in computed for name in variables(term))
        case nodes.KnownLiteral():
            return literal.variable in bound
        case nodes.CompareLiteral():
            left, right = (_all_bound(side, bound) for side in (literal.left, literal.right))
            if literal.operator != "=":
                return left and right
            return (left and (right or isinstance(literal.right, nodes.Var))) or (
                right and isinstance(literal.left, nodes.Var)
            )
        case nodes.AggregateLiteral():
            groups = all(name in bound for name in literal.groups)
            binds = literal.operator == "=" and isinstance(literal.result, nodes.Var)
            return groups and (binds or _all_bound(literal.result, bound))
        case _:
            assert_never(literal)


def _all_bound(term: nodes.Term, bound: Mapping[str, Value]) -> bool:
    return all(name in bound for name in variables(term))


def _read(scope: Scope, placed: Placed, env: dict[str, Value]) -> Step:
    """A positive atom: binds the variables it is the first to have."""
    atom = _atom(placed)
    table, source = scope.source(atom.relation)
    alias = scope.alias(table)
    conditions: list[str] = []
    searched: list[str] = []
    own: set[str] = set()
    before = len(env)
    for column, term in zip(table.columns, atom.terms, strict=True):
        here = column_value(alias, column)
        if isinstance(term, nodes.Var):
            if term.name is None:
                env[wildcard(placed.path, column.name)] = here
                continue
            if term.name not in env:
                env[term.name] = here
                own.add(term.name)
                continue
        value = term_value(term, env, scope.constants)
        conditions.append(f"{here.sql} = {stored(value, column)}")
        if not any(name in own for name in variables(term)):
            searched.append(column.column)
    return Step(placed, tuple(conditions), source, alias, tuple(searched), tuple(env)[before:])


def _test(scope: Scope, placed: Placed, env: dict[str, Value]) -> Step:
    literal = placed.literal
    before = len(env)
    comes_to: Value | None = None
    match literal:
        case nodes.AtomLiteral():
            conditions = [absent(scope, literal, env)]
        case nodes.KnownLiteral():
            sign = "IS NULL" if literal.negated else "IS NOT NULL"
            conditions = [f"{env[literal.variable].sql} {sign}"]
        case nodes.CompareLiteral():
            conditions = _compare(scope, literal, env)
        case nodes.AggregateLiteral():
            comes_to, conditions = _aggregate(scope, literal, env)
        case _:
            assert_never(literal)
    return Step(placed, tuple(conditions), binds=tuple(env)[before:], comes_to=comes_to)


def absent(scope: Scope, literal: nodes.AtomLiteral, bound: Bindings) -> str:
    """`not r(x, _)`: no row matches what is bound; a null matches nothing."""
    table, source = scope.source(literal.relation)
    alias = scope.alias(table)
    conditions = [
        f"{column_value(alias, column).sql} = {stored(term_value(term, bound, scope.constants), column)}"
        for column, term in zip(table.columns, literal.terms, strict=True)
        if not (isinstance(term, nodes.Var) and term.name is None)
    ]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return f"NOT EXISTS (SELECT 1 FROM {dialect.name(source)} AS {alias}{where})"


def _compare(scope: Scope, literal: nodes.CompareLiteral, env: dict[str, Value]) -> list[str]:
    for variable, other in ((literal.left, literal.right), (literal.right, literal.left)):
        if literal.operator == "=" and isinstance(variable, nodes.Var) and not _all_bound(variable, env):
            assert variable.name is not None
            env[variable.name] = term_value(other, env, scope.constants)
            return [f"{env[variable.name].sql} IS NOT NULL"]
    left, right = (term_value(side, env, scope.constants) for side in (literal.left, literal.right))
    return [_compared(left, literal.operator, right)]


def _compared(left: Value, operator: str, right: Value) -> str:
    sign = dialect.COMPARISONS[operator]
    if left.grown and right.grown:  # two reals may be equal where the numbers are not
        left, right = whole(left), whole(right)
    if sign in ("=", "<>"):
        return equal(left, right, sign)
    return f"{plain(left)} {sign} {plain(right)}"


def _aggregate(
    scope: Scope, literal: nodes.AggregateLiteral, env: dict[str, Value]
) -> tuple[Value, list[str]]:
    """What the aggregate comes to, and the conditions on it."""
    value = Value(f"({_aggregate_query(scope, literal, env)})", aggregate_type(literal), computed=True)
    result = literal.result
    if literal.operator == "=" and isinstance(result, nodes.Var) and not _all_bound(result, env):
        assert result.name is not None
        # tested once, so that what reads it need not
        env[result.name] = replace(value, computed=False)
        return value, [] if literal.function == "count" else [f"{value.sql} IS NOT NULL"]
    return value, [_compared(term_value(result, env, scope.constants), literal.operator, value)]


def aggregate_type(literal: nodes.AggregateLiteral) -> nodes.Type:
    match literal.function:
        case "count":
            return nodes.Type("int")
        case "avg":
            return nodes.Type("number")
        case "sum" | "min" | "max":
            return literal.term.type


def _aggregate_query(scope: Scope, literal: nodes.AggregateLiteral, env: Bindings) -> str:
    """`count` over the distinct values of the term, the others over the distinct bindings of the braces."""
    groups = {name: env[name] for name in literal.groups}
    names: dict[str, None] = {}
    compiled = []
    for branch in branches(literal.body):
        body = compile_body(scope, branch, groups)
        compiled.append(body)
        local = (name for name in body.bound if name not in groups and not is_wildcard(name))
        names.update(dict.fromkeys(local))
    terms = [whole(term_value(literal.term, body.bound, scope.constants)) for body in compiled]
    # equal texts have equal ids, so ids do for counting
    terms = (
        _alike(terms)
        if literal.function == "count"
        else [replace(t, sql=plain(t), interned=False) for t in terms]
    )
    bindings: list[list[str]] = [[] for _ in compiled]
    if literal.function != "count":
        for name in names:
            shown = iter(_alike([body.bound[name] for body in compiled if name in body.bound]))
            for body, binding in zip(compiled, bindings, strict=True):
                binding.append(next(shown).sql if name in body.bound else "NULL")
    selects = [
        select(
            [
                f"{term.sql} AS value",
                *(f"{sql} AS {dialect.name(f'v{i}')}" for i, sql in enumerate(binding, 1)),
            ],
            body,
            distinct=True,
        )
        for term, binding, body in zip(terms, bindings, compiled, strict=True)
    ]
    rows = "\nUNION\n".join(selects)
    return f"SELECT {literal.function}(value) FROM (\n{_indent(rows)}\n)"


def _alike(values: Sequence[Value]) -> list[Value]:
    """What branches call by one name, so that equal values are equal: all ids, or all themselves where one has no id."""
    if len({value.interned for value in values}) < 2:
        return list(values)
    return [replace(value, sql=plain(value), interned=False) for value in values]


def _indent(text: str) -> str:
    return "\n".join("  " + line for line in text.split("\n"))
