"""W0403 is sound: without the rules it names, a knowledge base derives the same."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.checks.rule_implied import implied_rules
from nesyc.parsing.parse import parse_file
from nesyc.syntax import nodes as ast

DOMAIN = ("a", "b")
TERMS = st.sampled_from(["x", "y", "z", "_", '"a"'])
ATOM = st.builds("{}({}, {})".format, st.sampled_from("ef"), TERMS, TERMS)
NEGATED = st.builds("not {}({}, {})".format, st.sampled_from("ef"), TERMS, TERMS)
UNEQUAL = st.builds("{} != {}".format, st.sampled_from("xyz"), st.sampled_from("xyz"))
BODY = st.lists(st.one_of(ATOM, ATOM, NEGATED, UNEQUAL), min_size=1, max_size=4)
HEAD = st.builds("p({}, {})".format, st.sampled_from(["x", "y", '"a"']), st.sampled_from(["x", "y"]))
Facts = dict[str, set[tuple[str, str]]]
PAIRS = st.sets(st.tuples(st.sampled_from(DOMAIN), st.sampled_from(DOMAIN)))


def rules_of(sources: list[tuple[str, list[str]]]) -> list[ast.Rule]:
    text = "".join(f"rule r{n}: {head} :- {', '.join(body)};\n" for n, (head, body) in enumerate(sources))
    (kb,) = parse_file("k.nesy", f"nesy 1\nkb k {{\n{text}}}\n").file.declarations
    assert isinstance(kb, ast.Kb)
    return [item for item in kb.items if isinstance(item, ast.Rule)]


def value(term: ast.Expr, bound: dict[str, str]) -> str | None:
    """A term's value, None for `_`."""
    if isinstance(term, ast.Text):
        return term.value
    return bound[term.text] if isinstance(term, ast.Name) else None


def matches(atom: ast.Atom, bound: dict[str, str], facts: Facts) -> bool:
    wanted = [value(term, bound) for term in atom.arguments]
    return any(
        all(want in (None, have) for want, have in zip(wanted, row, strict=True))
        for row in facts[atom.relation.text]
    )


def holds(literal: ast.Literal, bound: dict[str, str], facts: Facts) -> bool:
    match literal:
        case ast.Atom():
            return matches(literal, bound, facts)
        case ast.Not():
            return not matches(literal.atom, bound, facts)
        case ast.Comparison():
            return value(literal.left, bound) != value(literal.right, bound)
        case _:
            raise AssertionError(literal)


def derived(rules: list[ast.Rule], facts: Facts) -> set[tuple[Any, ...]]:
    found = set()
    for rule in rules:
        for values in itertools.product(DOMAIN, repeat=3):
            bound = dict(zip("xyz", values, strict=True))
            if all(holds(literal, bound, facts) for literal in rule.body):
                found.add(tuple(value(term, bound) for term in rule.head.arguments))
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(HEAD, BODY), min_size=2, max_size=5), PAIRS, PAIRS)
def test_an_implied_rule_derives_nothing_of_its_own(
    sources: list[tuple[str, list[str]]], e: set[tuple[str, str]], f: set[tuple[str, str]]
) -> None:
    rules, facts = rules_of(sources), {"e": e, "f": f}
    implied = {rule.name.text for rule, _ in implied_rules(rules)}
    kept = [rule for rule in rules if rule.name.text not in implied]
    assert kept
    assert derived(kept, facts) == derived(rules, facts)


def test_two_equal_rules_lose_the_later() -> None:
    rules = rules_of([("p(x, y)", ["e(x, y)"]), ("p(y, z)", ["e(y, z)"]), ("p(x, x)", ["e(x, x)"])])
    assert [(rule.name.text, by.name.text) for rule, by in implied_rules(rules)] == [
        ("r1", "r0"),
        ("r2", "r0"),
    ]


def test_the_work_for_a_rule_does_not_grow_with_the_others() -> None:
    rules = rules_of([(f'p(x, "c{n}")', [f'e(x, "c{n}")', f'f(x, "d{n % 7}")']) for n in range(3000)])
    assert list(implied_rules(rules)) == []
