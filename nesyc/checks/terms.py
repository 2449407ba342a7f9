"""Walks over rules: the literals of a body, the terms of a literal, the variables of a term."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from nesyc.syntax import nodes as ast

COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


# Atoms that test instead of reading a relation; no relation may have such a name.
TESTS = frozenset({"known", "contains", "starts_with", "matches"})


def is_test(literal: ast.Literal) -> bool:
    """`known(x)`, `contains(a, "x")`: an atom that binds nothing."""
    return isinstance(literal, ast.Atom) and literal.relation.text in TESTS


def is_known(literal: ast.Literal) -> bool:
    """`known(x)`"""
    return isinstance(literal, ast.Atom) and literal.relation.text == "known"


def as_call(atom: ast.Atom) -> ast.Call:
    """A text function standing as a literal, as the call it is."""
    arguments = tuple(ast.Argument(None, argument, argument.span) for argument in atom.arguments)
    return ast.Call(atom.relation, arguments, atom.span)


def variables(expr: ast.Expr) -> Iterator[ast.Name]:
    """The variables of a term, those inside an aggregate left out."""
    match expr:
        case ast.Name():
            yield expr
        case ast.Call():
            for argument in expr.arguments:
                yield from variables(argument.value)
        case ast.Unary():
            yield from variables(expr.operand)
        case ast.Binary():
            yield from variables(expr.left)
            yield from variables(expr.right)
        case _:
            return


def aggregate_of(literal: ast.Literal) -> ast.Aggregate | None:
    """The aggregate of a comparison that has one as a whole side."""
    if isinstance(literal, ast.Comparison):
        for side in (literal.right, literal.left):
            if isinstance(side, ast.Aggregate):
                return side
    return None


def other_side(literal: ast.Comparison, side: ast.Expr) -> ast.Expr:
    return literal.left if side is literal.right else literal.right


def literal_variables(literal: ast.Literal) -> Iterator[ast.Name]:
    """Every variable occurrence in a literal, aggregates and branches included."""
    match literal:
        case ast.Atom():
            for argument in literal.arguments:
                yield from variables(argument)
        case ast.Not():
            yield from literal_variables(literal.atom)
        case ast.Or():
            for branch in literal.branches:
                yield from literal_variables(branch)
        case ast.Comparison():
            for side in (literal.left, literal.right):
                if isinstance(side, ast.Aggregate):
                    yield from variables(side.term)
                    yield from body_variables(side.body)
                else:
                    yield from variables(side)


def body_variables(body: Iterable[ast.Literal]) -> Iterator[ast.Name]:
    for literal in body:
        yield from literal_variables(literal)


def atoms(body: Iterable[ast.Literal], sign: str = "+") -> Iterator[tuple[ast.Atom, str]]:
    """Every atom of a body with how it is read: `+` directly, `-` under `not`, `#` inside an aggregate."""
    for literal in body:
        match literal:
            case ast.Atom():
                if not is_test(literal):
                    yield literal, sign
            case ast.Not():
                if not is_test(literal.atom):
                    yield literal.atom, "-" if sign == "+" else sign
            case ast.Or():
                yield from atoms(literal.branches, sign)
            case ast.Comparison():
                aggregate = aggregate_of(literal)
                if aggregate is not None:
                    yield from atoms(aggregate.body, "#")


def same_name(names: Iterable[ast.Name]) -> dict[str, list[ast.Name]]:
    """Occurrences by name, in order."""
    found: dict[str, list[ast.Name]] = {}
    for name in names:
        found.setdefault(name.text, []).append(name)
    return found
