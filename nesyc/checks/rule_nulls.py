"""E0305: values that may be null, used without `known(x)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import aggregate_of, is_known, literal_variables, variables
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def check_nullable(
    scope: RuleScope, head: ast.Atom | None, body: tuple[ast.Literal, ...]
) -> Iterator[Diagnostic]:
    """E0305: a variable from a nullable column used further without `known(x)`."""
    nullable: dict[str, ast.Name] = {}
    uses: dict[str, list[tuple[ast.Name, str]]] = {}
    guarded = set(_guards(body))
    for name, is_nullable, what in _occurrences(scope, head, body):
        if is_nullable and name.text not in nullable:
            nullable[name.text] = name
        else:
            uses.setdefault(name.text, []).append((name, what))
    for text, source in nullable.items():
        if text in guarded or text not in uses:
            continue
        place, what = uses[text][0]
        end = body[-1].span.end
        yield Diagnostic(
            "E0305",
            f"`{text}` may be null and is used unguarded",
            place.span,
            label=what,
            related=(Related(source.span, "comes from a nullable column"),),
            notes=("null joins nothing and equals nothing",),
            help=Help(
                f"guard it:  known({text})", (Edit(Span(place.span.file, end, end), f", known({text})"),)
            ),
        )


def _guards(body: Iterable[ast.Literal]) -> Iterator[str]:
    for literal in body:
        if isinstance(literal, ast.Or):
            yield from _guards(literal.branches)
        elif is_known(literal) and isinstance(literal, ast.Atom):
            yield from (name.text for name in literal_variables(literal))
        elif (aggregate := aggregate_of(literal)) is not None:
            yield from _guards(aggregate.body)


def _occurrences(
    scope: RuleScope, head: ast.Atom | None, body: Iterable[ast.Literal]
) -> Iterator[tuple[ast.Name, bool, str]]:
    """(variable, stands in a nullable column of a positive atom, what it is used for)."""
    yield from _body_occurrences(scope, body, negated=False)
    if head is None:
        return
    for place, argument in enumerate(head.arguments):
        if isinstance(argument, ast.Name):
            if not scope.column_type(head.relation.text, place).nullable:
                yield argument, False, "the head's column is not nullable"
        else:
            yield from ((name, False, "computed with here") for name in variables(argument))


def _body_occurrences(
    scope: RuleScope, body: Iterable[ast.Literal], negated: bool
) -> Iterator[tuple[ast.Name, bool, str]]:
    for literal in body:
        match literal:
            case ast.Atom():
                if is_known(literal):
                    continue
                for place, argument in enumerate(literal.arguments):
                    if isinstance(argument, ast.Name):
                        nullable = not negated and scope.column_type(literal.relation.text, place).nullable
                        yield argument, nullable, "joined here"
                    else:
                        yield from ((name, False, "computed with here") for name in variables(argument))
            case ast.Not():
                yield from _body_occurrences(scope, (literal.atom,), negated=True)
            case ast.Or():
                yield from _body_occurrences(scope, literal.branches, negated)
            case ast.Comparison():
                aggregate = aggregate_of(literal)
                if aggregate is not None:
                    yield from _body_occurrences(scope, aggregate.body, negated)
                    yield from ((name, False, "aggregated here") for name in variables(aggregate.term))
                for side in (literal.left, literal.right):
                    yield from ((name, False, "compared here") for name in variables(side))
