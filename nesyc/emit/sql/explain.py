"""What explains a rule: its instances as a SELECT, and its literals one by one for what failed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.emit.sql import dialect
from nesyc.emit.sql.body import Scope, compile_body, known_part, most_bound
from nesyc.emit.sql.branches import Branch, Placed, branches
from nesyc.emit.sql.layout import ROW, Layout, Table
from nesyc.emit.sql.program import AtomPlan, RulePlan, StepPlan, VariablePlan, VariantPlan
from nesyc.emit.sql.rules import capped
from nesyc.emit.sql.select import Body, rows_of, select
from nesyc.emit.sql.terms import (
    Bindings,
    Value,
    column_value,
    stored,
    symbol_id,
    symbol_text,
    term_value,
    variables,
)
from nesyc.ir import nodes

HEAD = '"head"'


def rule_plan(layout: Layout, rule: nodes.Rule, stratum: frozenset[str]) -> RulePlan:
    """How the instances of a rule are found, over the finished relations."""
    variants = tuple(_variant(layout, rule.head, branch, stratum) for branch in branches(rule.body))
    return RulePlan(rule.name, rule.head.relation, capped(rule, layout.kb), variants)


def constraint_plan(layout: Layout, constraint: nodes.Constraint) -> RulePlan:
    """The same for a constraint, whose instances are its violations; `confidence` is the `at` (0: none)."""
    variants = tuple(_variant(layout, None, branch, frozenset()) for branch in branches(constraint.body))
    return RulePlan(constraint.name, "", constraint.confidence or 0.0, variants)


def _variant(
    layout: Layout, head: nodes.AtomLiteral | None, branch: Branch, stratum: frozenset[str]
) -> VariantPlan:
    scope = Scope(layout, stratum)
    body = compile_body(scope, branch)
    columns = [*rows_of(body), *(value.sql for value in body.bound.values())]
    if head is None:
        every, of_one = select(columns, body), _OfOne(select(columns, body), ())
    else:
        joined = f"{dialect.name(layout.tables[head.relation].rows)} AS {HEAD}"
        same = list(_same_as_head(scope, layout.tables[head.relation], head, body))
        every = select([f"{HEAD}.{ROW}", *columns], body, extra=same, joined=joined)
        of_one = _of_one(layout, head, branch, stratum, body)
    return VariantPlan(
        instances=every,
        instances_of=of_one.sql,
        searches=of_one.searches,
        atoms=tuple(AtomPlan(step.atom.relation, step.placed.path) for step in body.atoms),
        variables=tuple(
            VariablePlan(name, value.type.base, value.interned) for name, value in body.bound.items()
        ),
        literals=tuple(placed.path for placed in branch),
        steps=tuple(_steps(layout, head, branch, stratum)),
    )


@dataclass(frozen=True, slots=True)
class _OfOne:
    sql: str
    searches: tuple[tuple[str, tuple[str, ...]], ...]


def _of_one(
    layout: Layout, head: nodes.AtomLiteral, branch: Branch, stratum: frozenset[str], like: Body
) -> _OfOne:
    """The instances that give one row: led by the row, whose values are known, to the smaller relations first.

    Its columns are those of `like`, the same body in the order written.
    """
    scope = Scope(layout, stratum)
    table = layout.tables[head.relation]
    known: dict[str, Value] = {}
    for column, term in zip(table.columns, head.terms, strict=True):
        # a null equals nothing, and a whole number in a column of reals is read back as one
        if (
            isinstance(term, nodes.Var)
            and term.name
            and not column.type.nullable
            and term.type == column.type
        ):
            known.setdefault(term.name, column_value(HEAD, column))
    body = compile_body(scope, branch, known, lambda ready, bound: _nearest(ready, bound, stratum))
    rows = {step.placed.path: f"{step.alias}.{ROW}" for step in body.atoms}
    columns = [
        f"{HEAD}.{ROW}",
        *(rows[step.placed.path] for step in like.atoms),
        *(_alike(body.bound[name], value) for name, value in like.bound.items()),
    ]
    same = _same_as_head(scope, table, head, body)
    led = (f"{dialect.name(table.rows)} AS {HEAD}", [f"{HEAD}.{ROW} = :row", *same])
    searches = tuple((step.table, step.searched) for step in body.steps if step.table and step.searched)
    return _OfOne(select(columns, body, fixed=True, led=led), searches)


def _alike(value: Value, like: Value) -> str:
    """The value as text or as a symbol's id, whichever `like` is."""
    if value.interned == like.interned:
        return value.sql
    return symbol_id(value.sql) if like.interned else symbol_text(value.sql)


def _nearest(ready: Sequence[Placed], bound: Bindings, stratum: frozenset[str]) -> Placed:
    """The atom with most of its arguments known; ties go to finished relations, which are the smaller ones."""
    first = most_bound(ready, bound)
    best = known_part(first, bound)
    tied = [placed for placed in ready if known_part(placed, bound) == best]
    return next(
        (p for p in tied if isinstance(p.literal, nodes.AtomLiteral) and p.literal.relation not in stratum),
        first,
    )


def _same_as_head(scope: Scope, table: Table, head: nodes.AtomLiteral, body: Body) -> Iterator[str]:
    for column, term in zip(table.columns, head.terms, strict=True):
        here = f"{HEAD}.{dialect.name(column.column)}"
        value = term_value(term, body.bound, scope.constants)
        if value.sql != here:
            yield f"{here} {'IS' if column.type.nullable else '='} {stored(value, column)}"


def _steps(
    layout: Layout, head: nodes.AtomLiteral | None, branch: Branch, stratum: frozenset[str]
) -> Iterator[StepPlan]:
    scope = Scope(layout, stratum)
    bound: dict[str, Value] = {}
    first: list[str] = []
    last: list[tuple[Value, int]] = []
    terms: Sequence[nodes.Term] = head.terms if head is not None else ()
    table = layout.tables[head.relation] if head is not None else None
    for index, term in enumerate(terms):
        assert table is not None
        column = table.columns[index]
        value = Value(f":h{index}", column.type, column.interned)
        if isinstance(term, nodes.Var) and term.name not in bound:
            assert term.name is not None
            bound[term.name] = value
        elif isinstance(term, nodes.Apply):
            last.append((value, index))
        else:
            first.append(f"{value.sql} IS {stored(term_value(term, bound, scope.constants), column)}")
    yield StepPlan((), None, tuple(first), _shown(bound, tuple(bound)))
    body = compile_body(scope, branch, bound, tests_first=False)
    for step in body.steps:
        source = f"{dialect.name(step.table)} AS {step.alias}" if step.table is not None else None
        total = step.comes_to
        yield StepPlan(
            step.placed.path,
            source,
            step.conditions,
            _shown(body.bound, step.binds),
            (total.sql, total.type.base, total.interned) if total is not None else None,
        )
    computed = []
    for value, index in last:
        assert table is not None and all(name in body.bound for name in variables(terms[index]))
        own = term_value(terms[index], body.bound, scope.constants)
        computed.append(f"{value.sql} IS {stored(own, table.columns[index])}")
    if computed:
        yield StepPlan((), None, tuple(computed), {})


def _shown(bound: dict[str, Value] | object, names: Sequence[str]) -> dict[str, tuple[str, str, bool]]:
    assert isinstance(bound, dict)
    return {
        name: (bound[name].sql, bound[name].type.base, bound[name].interned)
        for name in names
        if " " not in name
    }
