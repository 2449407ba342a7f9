"""E0406: arithmetic in a recursion that makes new values for ever, without a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nesyc.checks.terms import is_test, variables
from nesyc.diagnostics import Diagnostic, Help
from nesyc.syntax import nodes as ast

UPPER, LOWER = "upper", "lower"


def check_growth(rule: ast.Rule, recursive: frozenset[str]) -> Iterator[Diagnostic]:
    """A head value computed from the recursion itself; `recursive` are the relations of the rule's own cycle."""
    literals = tuple(_flat(rule.body))
    grown = _names(literals, lambda name: name in recursive)
    finite = _names(literals, lambda name: name not in recursive)
    loose = grown - finite
    definitions = _definitions(literals)
    for argument in rule.head.arguments:
        for expr in _computations(argument, definitions, finite):
            needed = _needs(expr, _reach(definitions, loose, finite))
            if needed and not needed <= _bounds(argument, expr, literals, loose):
                yield _unbounded(rule, argument, expr, needed)
                break


def _unbounded(rule: ast.Rule, argument: ast.Expr, expr: ast.Expr, needed: set[str]) -> Diagnostic:
    name = argument.text if isinstance(argument, ast.Name) else "the value"
    sign = "<" if UPPER in needed else ">"
    return Diagnostic(
        "E0406",
        f"rule `{rule.name.text}` can compute new values for ever",
        expr.span,
        label="grows with every round",
        notes=(f"`{rule.head.relation.text}` reads itself here, and `{name}` has no bound",),
        help=Help(
            f"give a bound:  {name} {sign} 100"
            if isinstance(argument, ast.Name)
            else "bind it to a name first"
        ),
    )


def _flat(body: Iterable[ast.Literal]) -> Iterator[ast.Literal]:
    for literal in body:
        if isinstance(literal, ast.Or):
            yield from _flat(literal.branches)
        else:
            yield literal


def _names(literals: Iterable[ast.Literal], wanted: Callable[[str], bool]) -> set[str]:
    return {
        argument.text
        for literal in literals
        if isinstance(literal, ast.Atom) and not is_test(literal) and wanted(literal.relation.text)
        for argument in literal.arguments
        if isinstance(argument, ast.Name)
    }


def _definitions(literals: Iterable[ast.Literal]) -> dict[str, list[ast.Expr]]:
    found: dict[str, list[ast.Expr]] = {}
    for literal in literals:
        if isinstance(literal, ast.Comparison) and literal.operator == "=":
            for target, source in ((literal.left, literal.right), (literal.right, literal.left)):
                if isinstance(target, ast.Name):
                    found.setdefault(target.text, []).append(source)
    return found


def _computations(
    argument: ast.Expr, definitions: dict[str, list[ast.Expr]], finite: set[str]
) -> Iterator[ast.Expr]:
    """The computed terms a head value comes from, through `x = y` chains."""
    pending, seen = [argument], set()
    while pending:
        expr = pending.pop()
        if isinstance(expr, ast.Name):
            if expr.text not in seen and expr.text not in finite:
                seen.add(expr.text)
                pending.extend(definitions.get(expr.text, ()))
        else:
            yield expr


def _reach(definitions: dict[str, list[ast.Expr]], loose: set[str], finite: set[str]) -> set[str]:
    """`loose` and every variable computed from one of them."""
    found, size = set(loose), -1
    while len(found) != size:
        size = len(found)
        for name, sources in definitions.items():
            if name not in finite and any(
                other.text in found for source in sources for other in variables(source)
            ):
                found.add(name)
    return found


def _needs(expr: ast.Expr, loose: set[str]) -> set[str]:
    """The sides on which a term can grow for ever; empty for one that cannot."""
    if not any(name.text in loose for name in variables(expr)):
        return set()
    match expr:
        case ast.Binary(operator="%"):
            return set() if isinstance(expr.right, ast.Number) else _needs(expr.left, loose)
        case ast.Binary(operator="+" | "-"):
            return _sum_needs(expr, loose)
        case ast.Binary():
            return {UPPER}
        case ast.Unary():
            return {UPPER, LOWER} if _needs(expr.operand, loose) else set()
        case ast.Call():
            grows = expr.function.text in ("concat", "replace")
            return {UPPER} if grows else set().union(*(_needs(item.value, loose) for item in expr.arguments))
        case _:
            return set()


def _sum_needs(expr: ast.Binary, loose: set[str]) -> set[str]:
    step = next((side for side in (expr.right, expr.left) if isinstance(side, ast.Number)), None)
    if step is None:
        return {UPPER} if expr.operator == "+" else {LOWER}
    if step.value == 0:
        return set()
    if expr.operator == "-" and step is expr.left:
        return {UPPER, LOWER} if _needs(expr.right, loose) else set()
    up = (step.value > 0) == (expr.operator == "+")
    return {UPPER} if up else {LOWER}


def _bounds(argument: ast.Expr, expr: ast.Expr, literals: Iterable[ast.Literal], loose: set[str]) -> set[str]:
    """The sides on which comparisons with something that does not grow hold the value or what it grows from."""
    names = {name.text for name in (*variables(argument), *variables(expr))}
    found = set()
    for literal in literals:
        if not isinstance(literal, ast.Comparison) or literal.operator not in ("<", "<=", ">", ">="):
            continue
        for side, other in ((literal.left, literal.right), (literal.right, literal.left)):
            here = {name.text for name in variables(side)}
            if here & names and not any(name.text in loose | names for name in variables(other)):
                below = (literal.operator[0] == "<") == (side is literal.left)
                found.add(UPPER if below else LOWER)
    return found
