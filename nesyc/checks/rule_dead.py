"""W0402: rules and constraints whose body can hold for no row."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.memo import Memo
from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import is_test
from nesyc.diagnostics import Diagnostic, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

Body = ast.Rule | ast.Forbid
Interval = tuple[float, float, bool, bool]
"""Least and greatest value, and whether each is itself left out."""


def check_never_fires(kb: KbInfo, bodies: Iterable[Body], memo: Memo) -> Iterator[Diagnostic]:
    """A body that reads a relation nothing can fill, holds null, or contradicts itself."""
    filled = memo.group(("filled", kb.name), kb.scope, kb.rules, lambda: _filled(kb.scope, tuple(kb.rules)))

    def first(rule: Body) -> Diagnostic | None:
        problems = (_never(kb.scope, filled, rule, literal) for literal in rule.body)
        return next((found for found in problems if found is not None), None) or _contradiction(rule)

    found = memo.each(("never fires", kb.name), (kb.scope, filled), bodies, first)
    return (problem for problem in found if problem is not None)


def _filled(scope: RuleScope, rules: tuple[ast.Rule, ...]) -> frozenset[str]:
    """The relations that may have rows: stored ones, and those a rule derives from such."""
    found = {name for name, relation in scope.relations.items() if not relation.derived}
    readers: dict[str, list[int]] = {}
    missing: list[int] = []
    for number, rule in enumerate(rules):
        needed = {
            atom.relation.text for atom in _positive(rule.body) if atom.relation.text in scope.relations
        }
        open_ = needed - found
        missing.append(len(open_))
        for name in open_:
            readers.setdefault(name, []).append(number)
    ready = [number for number, count in enumerate(missing) if count == 0]
    while ready:
        name = rules[ready.pop()].head.relation.text
        if name in found:
            continue
        found.add(name)
        for number in readers.get(name, ()):
            missing[number] -= 1
            if missing[number] == 0:
                ready.append(number)
    return frozenset(found)


def _positive(body: Iterable[ast.Literal]) -> Iterator[ast.Atom]:
    """The atoms that all have to hold; of an `or` nothing, for one branch may do."""
    return (literal for literal in body if isinstance(literal, ast.Atom) and not is_test(literal))


def _never(scope: RuleScope, filled: frozenset[str], rule: Body, literal: ast.Literal) -> Diagnostic | None:
    name = rule.name.text
    if isinstance(literal, ast.Atom):
        relation = scope.relations.get(literal.relation.text)
        own = isinstance(rule, ast.Rule) and rule.head.relation.text == literal.relation.text
        if relation is not None and relation.name not in filled:
            why = (
                f"each rule of `{relation.name}` needs a row of it first"
                if own
                else f"no rule can fill `{relation.name}`"
            )
            related = (Related(relation.span, "declared here"),) if relation.span else ()
            span = literal.relation.span
            return Diagnostic("W0402", f"rule `{name}` can never fire", span, "always empty", related, (why,))
        null = next((argument for argument in literal.arguments if isinstance(argument, ast.Null)), None)
        if null is not None and relation is not None:
            notes = ("null equals nothing, so this literal never holds",)
            return Diagnostic("W0402", f"rule `{name}` can never fire", null.span, "null", (), notes)
    if isinstance(literal, ast.Comparison) and _always_false(literal):
        return Diagnostic("W0402", f"rule `{name}` can never fire", literal.span, "never true")
    return None


def _always_false(literal: ast.Comparison) -> bool:
    left, right = literal.left, literal.right
    if isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.text == right.text:
        return literal.operator in ("!=", "<", ">")
    if not isinstance(left, ast.Number) or not isinstance(right, ast.Number):
        return False
    a, b = left.value, right.value
    holds = {"=": a == b, "==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}
    return not holds[literal.operator]


def _contradiction(rule: Body) -> Diagnostic | None:
    """Two comparisons of a variable with numbers that no number fulfils, such as `n > 3, n < 2`."""
    bounds: dict[str, tuple[Interval, Span]] = {}
    for literal in rule.body:
        found = _bound(literal) if isinstance(literal, ast.Comparison) else None
        if found is None:
            continue
        name, interval = found
        known, first = bounds.get(name, ((-math.inf, math.inf, False, False), literal.span))
        both = _meet(known, interval)
        if both[0] > both[1] or (both[0] == both[1] and (both[2] or both[3])):
            message = f"rule `{rule.name.text}` can never fire"
            related = (Related(first, "not together with this"),)
            return Diagnostic("W0402", message, literal.span, f"no `{name}` does both", related)
        bounds[name] = both, first if name in bounds else literal.span
    return None


def _bound(literal: ast.Comparison) -> tuple[str, Interval] | None:
    """The variable of `n < 3` or `3 > n`, and what it may be."""
    left, right, operator = literal.left, literal.right, literal.operator
    if isinstance(right, ast.Name):
        left, right = right, left
        operator = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}.get(operator, operator)  # type: ignore[assignment]
    if not isinstance(left, ast.Name) or not isinstance(right, ast.Number):
        return None
    value = float(right.value)
    match operator:
        case "=" | "==":
            return left.text, (value, value, False, False)
        case "<" | "<=":
            return left.text, (-math.inf, value, False, operator == "<")
        case ">" | ">=":
            return left.text, (value, math.inf, operator == ">", False)
        case _:
            return None


def _meet(one: Interval, two: Interval) -> Interval:
    low, high = max(one[0], two[0]), min(one[1], two[1])
    open_low = any(part[2] for part in (one, two) if part[0] == low)
    open_high = any(part[3] for part in (one, two) if part[1] == high)
    return low, high, open_low, open_high
