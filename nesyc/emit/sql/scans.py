"""A rule as plain SELECTs whose tables are named when they run: for other engines, and for what a change adds or takes.

One for each alternative as a whole, one led by each of its atoms, one led by rows of the head that look for a proof.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from nesyc.emit.sql import dialect
from nesyc.emit.sql.body import Order, Scope, compile_body, most_bound, starting_with
from nesyc.emit.sql.branches import Branch, branches
from nesyc.emit.sql.layout import Layout, Table
from nesyc.emit.sql.program import Scan
from nesyc.emit.sql.rules import capped, combined
from nesyc.emit.sql.select import Body, select
from nesyc.emit.sql.terms import Value, column_value, stored, term_value
from nesyc.ir import nodes

HEAD = "head_0"
# no name and no literal of an emitted statement has a zero byte in it
_HOLE = re.compile('"\0[0-9]+\0"')


def rule_scans(layout: Layout, rule: nodes.Rule, stratum: frozenset[str]) -> Iterator[Scan]:
    """The scans of a rule whose head is in the stratum of the relations `stratum`."""
    for branch in branches(rule.body):
        yield _scan(layout, rule, stratum, branch, most_bound, "all")
        for placed in branch:
            if isinstance(placed.literal, nodes.AtomLiteral) and not placed.literal.negated:
                yield _scan(layout, rule, stratum, branch, starting_with(placed), "atom")
        yield _proof_scan(layout, rule, stratum, branch)


def finished_relations(rules: Sequence[nodes.Rule]) -> tuple[str, ...]:
    """The relations that negations and aggregates of these rules read, and so need whole."""
    found: dict[str, None] = {}

    def visit(literal: nodes.BodyLiteral, *, inside: bool) -> None:
        if isinstance(literal, nodes.AtomLiteral) and (literal.negated or inside):
            found[literal.relation] = None
        elif isinstance(literal, nodes.OrLiteral):
            for branch in literal.branches:
                visit(branch, inside=inside)
        elif isinstance(literal, nodes.AggregateLiteral):
            for inner in literal.body:
                visit(inner, inside=True)

    for rule in rules:
        for literal in rule.body:
            visit(literal, inside=False)
    return tuple(found)


def _scan(
    layout: Layout, rule: nodes.Rule, stratum: frozenset[str], branch: Branch, order: Order, driver: str
) -> Scan:
    scope = Scope(layout, stratum)
    body = compile_body(scope, branch, order=order)
    return _written(layout, rule, scope, body, driver)


def _proof_scan(layout: Layout, rule: nodes.Rule, stratum: frozenset[str], branch: Branch) -> Scan:
    """Led by rows of the head's relation, whose values the body must give again."""
    scope = Scope(layout, stratum)
    table = layout.tables[rule.head.relation]
    bound: dict[str, Value] = {}
    for column, term in zip(table.columns, rule.head.terms, strict=True):
        # a null in a nullable column is no value to look others up by
        if isinstance(term, nodes.Var) and term.name is not None and not column.type.nullable:
            bound.setdefault(term.name, column_value(HEAD, column))
    body = compile_body(scope, branch, bound, order=most_bound)
    same = []
    for column, term in zip(table.columns, rule.head.terms, strict=True):
        here = column_value(HEAD, column)
        value = term_value(term, body.bound, scope.constants)
        if value.sql != here.sql:
            sign = "IS" if column.type.nullable else "="
            same.append(f"{here.sql} {sign} {stored(value, column)}")
    return _written(layout, rule, scope, body, "head", same)


def _written(
    layout: Layout, rule: nodes.Rule, scope: Scope, body: Body, driver: str, same: Sequence[str] | None = None
) -> Scan:
    table = layout.tables[rule.head.relation]
    values = [term_value(term, body.bound, scope.constants) for term in rule.head.terms]
    columns = [
        f"{stored(value, column)} AS {dialect.name(column.column)}"
        for value, column in zip(values, table.columns, strict=True)
    ]
    needed = tuple(filled(values, table))
    if layout.weighted:
        own = dialect.number_literal(capped(rule, layout.kb))
        columns.append(f"{combined(layout.kb.semantics.kind, own, body)} AS conf")
    sources = [step.atom.relation for step in body.atoms]
    steps = list(body.steps)
    number = 1 if same is not None else 0
    for index, step in enumerate(steps):
        if step.table is not None:
            steps[index] = replace(step, table=f"\0{number}\0")
            number += 1
    if same is not None:
        sources.insert(0, rule.head.relation)
    led = (f'"\0{0}\0" AS {HEAD}', same) if same is not None else None
    text = select(columns, replace(body, steps=tuple(steps)), extra=needed, fixed=True, led=led)
    once = same is None and _keeps_all(rule.head, body)
    return Scan(rule.name, rule.head.relation, driver, once, tuple(sources), tuple(_HOLE.split(text)))  # type: ignore[arg-type]


def _keeps_all(head: nodes.AtomLiteral, body: Body) -> bool:
    """Whether the head holds every value that its atoms bind: then no two of their rows give one fact."""
    kept = {term.name for term in head.terms if isinstance(term, nodes.Var)}
    terms = (term for step in body.atoms for term in step.atom.terms)
    return all(term.name in kept for term in terms if isinstance(term, nodes.Var))


def filled(values: Sequence[Value], table: Table) -> Iterator[str]:
    """That what a head computes is not null, where its column takes none: such an instance gives no fact."""
    for value, column in zip(values, table.columns, strict=True):
        if not column.type.nullable and (
            value.computed or value.type.nullable or value.interned != column.interned
        ):
            yield f"{stored(value, column)} IS NOT NULL"


PORTABLE = {"+", "-", "*", "/", "%", "neg"}


def bound_to_sqlite(kb: nodes.Kb, interning: Collection[str]) -> str:
    """Why these rules give the same rows on SQLite alone; empty where plain SQL says it all.

    `interning` are the rules that give ids to texts.
    """
    if kb.semantics.kind == "top_proofs":
        return "`top_proofs` keeps sets of leaves"
    for rule in kb.rules:
        if not rule.active:
            continue
        if rule.name in interning:
            return f"rule `{rule.name}` makes texts"
        for term in (*rule.head.terms, *_terms(rule.body)):
            for function in _functions(term):
                if function.function in PORTABLE:
                    continue
                return f"rule `{rule.name}` uses `{function.function}`, whose last details differ between engines"
    return ""


def _terms(body: Sequence[nodes.BodyLiteral]) -> Iterator[nodes.Term]:
    for literal in body:
        match literal:
            case nodes.AtomLiteral():
                yield from literal.terms
            case nodes.CompareLiteral():
                yield from (literal.left, literal.right)
            case nodes.OrLiteral():
                yield from _terms(literal.branches)
            case nodes.AggregateLiteral():
                yield from (literal.result, literal.term)
                yield from _terms(literal.body)
            case nodes.KnownLiteral():
                pass


def _functions(term: nodes.Term) -> Iterator[nodes.Apply]:
    if isinstance(term, nodes.Apply):
        yield term
        for argument in term.arguments:
            yield from _functions(argument)
