"""E0406: arithmetic in a recursion that makes new values for ever, without a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nesyc.checks.terms import is_test, variables
from nesyc.diagnostics import Diagnostic, Help
from nesyc.syntax import nodes as ast

UPPER, LOWER = "upper", "lower"
NONE, RISES, BOTH = frozenset[str](), frozenset({UPPER}), frozenset({UPPER, LOWER})
GROWING = ("concat", "replace")
BOUNDS = {UPPER: "< 100", LOWER: "> -100"}


def check_growth(rule: ast.Rule, recursive: frozenset[str]) -> Iterator[Diagnostic]:
    """A head value computed from the recursion itself; `recursive` are the relations of the rule's own cycle."""
    literals = tuple(_flat(rule.body))
    grown = set().union(*(_names(literal, lambda name: name in recursive) for literal in literals))
    finite = set().union(*(_names(literal, lambda name: name not in recursive) for literal in rule.body))
    loose = grown - finite
    definitions = _definitions(literals)
    for argument in rule.head.arguments:
        for expr in _computations(argument, definitions, finite):
            needed = _needs(expr, _reach(definitions, loose, finite))
            if needed and not needed <= _bounds(argument, expr, rule.body, loose):
                yield _unbounded(rule, argument, expr, needed)
                break


def _unbounded(rule: ast.Rule, argument: ast.Expr, expr: ast.Expr, needed: frozenset[str]) -> Diagnostic:
    name = argument.text if isinstance(argument, ast.Name) else "the value"
    bounded = f"length({name})" if _makes_text(expr) else name
    bounds = ", ".join(f"{bounded} {BOUNDS[side]}" for side in sorted(needed))
    sides = " and ".join(sorted(needed))
    return Diagnostic(
        "E0406",
        f"rule `{rule.name.text}` can compute new values for ever",
        expr.span,
        label="grows with every round",
        notes=(f"`{rule.head.relation.text}` reads itself here, and `{name}` has no {sides} bound",),
        help=Help(
            f"give a bound:  {bounds}" if isinstance(argument, ast.Name) else "bind it to a name first"
        ),
    )


def _flat(body: Iterable[ast.Literal]) -> Iterator[ast.Literal]:
    for literal in body:
        if isinstance(literal, ast.Or):
            yield from _flat(literal.branches)
        else:
            yield literal


def _names(literal: ast.Literal, wanted: Callable[[str], bool]) -> set[str]:
    """The variables that a literal reads from such a relation, whichever branch of an `or` holds."""
    if isinstance(literal, ast.Or):
        return set.intersection(*(_names(branch, wanted) for branch in literal.branches))
    if not isinstance(literal, ast.Atom) or is_test(literal) or not wanted(literal.relation.text):
        return set()
    return {argument.text for argument in literal.arguments if isinstance(argument, ast.Name)}


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


def _needs(expr: ast.Expr, loose: set[str]) -> frozenset[str]:
    """The sides on which a term can grow for ever; empty for one that cannot."""
    if not any(name.text in loose for name in variables(expr)):
        return NONE
    match expr:
        case ast.Binary(operator="%"):
            return NONE if isinstance(expr.right, ast.Number) else _needs(expr.left, loose)
        case ast.Binary(operator="+" | "-"):
            return _sum_needs(expr, loose)
        case ast.Binary():
            factors = (_number(expr.left), _number(expr.right))
            return BOTH if any(value is not None and value < 0 for value in factors) else RISES
        case ast.Unary():
            return BOTH if _needs(expr.operand, loose) else NONE
        case ast.Call():
            grows = expr.function.text in GROWING
            return RISES if grows else NONE.union(*(_needs(item.value, loose) for item in expr.arguments))
        case _:
            return NONE


def _sum_needs(expr: ast.Binary, loose: set[str]) -> frozenset[str]:
    """Numbers written in the sum tell the side; what is added by name is taken to be positive."""
    parts = list(_parts(expr, 1))
    grown = [one for one in parts if any(name.text in loose for name in variables(one[1]))]
    if any(sign < 0 for sign, _ in grown):
        return BOTH if len(parts) > 1 else _needs(grown[0][1], loose)
    parts.remove(grown[0])
    sides = {UPPER if sign > 0 else LOWER for sign, part in parts if _number(part) is None}
    step = sum(sign * (_number(part) or 0) for sign, part in parts)
    if not sides and step:
        sides = {UPPER if step > 0 else LOWER}
    return frozenset(sides).union(*(_needs(part, loose) for _, part in grown))


def _parts(expr: ast.Expr, sign: int) -> Iterator[tuple[int, ast.Expr]]:
    """The parts of a sum, each with its sign."""
    if isinstance(expr, ast.Binary) and expr.operator in ("+", "-"):
        yield from _parts(expr.left, sign)
        yield from _parts(expr.right, sign if expr.operator == "+" else -sign)
    elif isinstance(expr, ast.Unary) and expr.operator == "-":
        yield from _parts(expr.operand, -sign)
    else:
        yield sign, expr


def _number(expr: ast.Expr) -> int | float | None:
    """What a term is worth where it is a number as written."""
    if isinstance(expr, ast.Unary) and expr.operator == "-" and isinstance(expr.operand, ast.Number):
        return -expr.operand.value
    return expr.value if isinstance(expr, ast.Number) else None


def _bounds(argument: ast.Expr, expr: ast.Expr, literals: Iterable[ast.Literal], loose: set[str]) -> set[str]:
    """The sides on which comparisons with something that does not grow hold the value or what it grows from."""
    names = {name.text for name in (*variables(argument), *variables(expr))}
    text = _makes_text(expr)
    found: set[str] = set()
    for literal in literals:
        if isinstance(literal, ast.Or):
            found |= set.intersection(
                *(_bounds(argument, expr, (branch,), loose) for branch in literal.branches)
            )
        if not isinstance(literal, ast.Comparison) or literal.operator not in ("<", "<=", ">", ">="):
            continue
        for side, other in ((literal.left, literal.right), (literal.right, literal.left)):
            sign = _rises_with(side, names, length=text)
            if sign and not any(name.text in loose | names for name in variables(other)):
                below = (literal.operator[0] == "<") == (side is literal.left)
                found.add(UPPER if below == (sign > 0) else LOWER)
    return found


def _makes_text(expr: ast.Expr) -> bool:
    """Whether a term is a text made of others: below "b" stand texts of every length, so only its length bounds it."""
    return isinstance(expr, ast.Call) and expr.function.text in GROWING


def _rises_with(side: ast.Expr, names: set[str], *, length: bool) -> int:
    """1 for one of the names, or its length, and numbers added to it; -1 where it is taken away, 0 for any other term.

    With `length` nothing but the length of one counts.
    """
    parts = [(sign, part) for sign, part in _parts(side, 1) if _number(part) is None]
    if len(parts) != 1:
        return 0
    sign, part = parts[0]
    if isinstance(part, ast.Call) and part.function.text == "length":
        part = part.arguments[0].value
    elif length:
        return 0
    return sign if isinstance(part, ast.Name) and part.text in names else 0
