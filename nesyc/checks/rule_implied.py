"""Which rule of a relation says no more than another: theta-subsumption (Plotkin 1970), a sound test for it.

Rule `more` is implied by rule `less` where some replacement of the variables of `less` makes its head the head of
`more` and each of its body literals one of `more`'s. The search is bounded, so a long rule may pass unnoticed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from nesyc.checks.terms import aggregate_of, body_variables, literal_variables
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

MOST_STEPS = 500
MOST_CANDIDATES = 40
"""For each rule so many others are tried, the likeliest first: a rule base grows, the work for a rule does not."""

Term = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Shape:
    """A rule without its places: nested tuples, variables as `("var", name)`; `marks` are what its literals name."""

    rule: ast.Rule
    confidence: float
    head: Term
    body: tuple[Term, ...]
    marks: frozenset[Term]


def implied_rules(
    rules: Iterable[ast.Rule], independent: bool = False
) -> Iterator[tuple[ast.Rule, ast.Rule]]:
    """(rule, the one that implies it) among rules of one relation, in order; of two equal ones the later is named.

    The other is no less confident. Where proofs are `independent` (top_proofs) it is certain: there any second proof
    makes a fact likelier.
    """
    shapes = [_shape(rule) for rule in rules]
    uses = Counter(mark for shape in shapes for mark in shape.marks)
    by_mark: dict[Term, list[int]] = defaultdict(list)
    for place, shape in enumerate(shapes):
        # A rule can imply only those that have all its marks: its rarest one finds them.
        by_mark[min(shape.marks, key=lambda mark: (uses[mark], mark), default=())].append(place)
    dropped: set[int] = set()
    for place, shape in enumerate(shapes):
        found = (other for mark in ((), *sorted(shape.marks)) for other in by_mark.get(mark, ()))
        candidates = [other for other in found if other != place and other not in dropped]
        for other in candidates[:MOST_CANDIDATES]:
            if _says_all(shapes[other], shape, independent, later=other > place):
                dropped.add(place)
                yield shape.rule, shapes[other].rule
                break


def _says_all(less: Shape, more: Shape, independent: bool, later: bool) -> bool:
    if not less.marks <= more.marks or less.confidence < (1.0 if independent else more.confidence):
        return False
    if not _implies(less, more):
        return False
    # Of two that say the same the earlier stays.
    return not (later and less.confidence == more.confidence and _implies(more, less))


def _shape(rule: ast.Rule) -> Shape:
    counter = iter(range(1_000_000))
    outer = _outer_names(rule)
    body = tuple(_literal(literal, counter, outer) for literal in rule.body)
    marks = {("name", part[1]) for part in body if part[0] in ("Atom", "Not")}
    marks |= {
        ("constant", part[1], place, *term[1:])
        for part in body
        if part[0] == "Atom"
        for place, term in enumerate(part[2:])
        if term[0] == "const"
    }
    confidence = float(rule.confidence.value) if rule.confidence is not None else 1.0
    return Shape(rule, confidence, _literal(rule.head, counter, outer), body, frozenset(marks))


def _outer_names(rule: ast.Rule) -> frozenset[str]:
    """The variables that stand outside aggregates: inside one they are its groups, all others are its own."""
    plain = [literal for literal in rule.body if aggregate_of(literal) is None]
    names = [*literal_variables(rule.head), *body_variables(plain)]
    return frozenset(name.text for name in names)


def _literal(literal: ast.Literal, fresh: Iterator[int], outer: frozenset[str]) -> Term:
    match literal:
        case ast.Atom():
            terms = (
                ("any", next(fresh)) if isinstance(argument, ast.Wildcard) else _plain(argument, outer)
                for argument in literal.arguments
            )
            return ("Atom", literal.relation.text, *terms)
        case ast.Not():
            return (
                "Not",
                literal.atom.relation.text,
                *(_plain(term, outer) for term in literal.atom.arguments),
            )
        case _:
            return _plain(literal, outer)


def _plain(node: Any, outer: frozenset[str]) -> Term:
    """Any node as nested tuples without spans; under `not` and in aggregates `_` is only equal to `_`."""
    if isinstance(node, ast.Name):
        return ("var" if node.text in outer else "own", node.text)
    if isinstance(node, (ast.Text, ast.Number, ast.Bool)):
        return ("const", type(node.value).__name__, str(node.value))
    if isinstance(node, ast.EnumConstant):
        return ("const", "enum", node.name)
    if isinstance(node, ast.Ident):
        return ("ident", node.text)
    if isinstance(node, tuple):
        return ("list", *(_plain(item, outer) for item in node))
    if is_dataclass(node) and not isinstance(node, (type, Span)):
        parts = (getattr(node, part.name) for part in fields(node) if part.name != "span")
        return (type(node).__name__, *(_plain(part, outer) for part in parts))
    return ("word", str(node))


def _implies(less: Shape, more: Shape) -> bool:
    start = _match(less.head, more.head, {})
    if start is None:
        return False
    steps = 0
    # Literals with the fewest partners first: a dead end shows early.
    order = sorted(less.body, key=lambda part: sum(part[:2] == other[:2] for other in more.body))
    pending: list[tuple[int, Mapping[str, Term]]] = [(0, start)]
    while pending and steps < MOST_STEPS:
        place, bound = pending.pop()
        if place == len(order):
            return True
        for other in more.body:
            steps += 1
            longer = _match(order[place], other, bound)
            if longer is not None:
                pending.append((place + 1, longer))
    return False


def _match(less: Term, more: Term, bound: Mapping[str, Term]) -> Mapping[str, Term] | None:
    """`bound` with what makes `less` equal `more`, None where nothing does."""
    if less[0] == "var":
        known = bound.get(less[1])
        if known is not None:
            return bound if known == more else None
        # A list or a name is no value that a variable could stand for.
        return {**bound, less[1]: more} if more[0] not in ("list", "ident", "word") else None
    if less[0] == "own":
        # An aggregate's own variables are renamed one to one; its result may be read outside and is no such one.
        key = f"own {less[1]}"
        known = bound.get(key)
        if known is None and more[0] == "own" and more not in bound.values():
            return {**bound, key: more}
        return bound if known == more else None
    if less[0] == "any":
        return bound
    if less[0] in ("const", "ident", "word"):
        return bound if less == more else None
    if less[0] != more[0] or len(less) != len(more):
        return None
    for one, two in zip(less[1:], more[1:], strict=True):
        if isinstance(one, str):
            if one != two:
                return None
            continue
        longer = _match(one, two, bound)
        if longer is None:
            return None
        bound = longer
    return bound
