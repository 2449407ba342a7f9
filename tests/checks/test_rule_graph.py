"""Strata and cycles against their plain definitions, on random programs."""

from __future__ import annotations

from itertools import pairwise, product

from hypothesis import given
from hypothesis import strategies as st

from nesyc.checks.kb_symbols import build_kb
from nesyc.checks.rule_graph import check_cycles, layers, rule_edges
from nesyc.checks.rule_safety import bound_by
from nesyc.checks.rule_table import analyse_rule
from nesyc.parsing import parse_file
from nesyc.syntax import nodes as ast

NAMES = [f"r{number}" for number in range(6)]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=14)
SIGNED = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.sampled_from(["+", "+", "-", "#"])),
    max_size=12,
)


def reach(edges: list[tuple[str, str]]) -> set[tuple[str, str]]:
    """The transitive closure, by the book."""
    found = set(edges)
    while True:
        more = {(a, d) for (a, b), (c, d) in product(found, found) if b == c} - found
        if not more:
            return found
        found |= more


@given(EDGES)
def test_layers_are_the_components_in_order(edges: list[tuple[str, str]]) -> None:
    found = layers(NAMES, edges)
    closure = reach(edges)
    assert sorted(name for layer in found for name in layer.relations) == sorted(NAMES)
    place = {name: number for number, layer in enumerate(found) for name in layer.relations}
    for a, b in product(NAMES, NAMES):
        together = a == b or ((a, b) in closure and (b, a) in closure)
        assert (place[a] == place[b]) == together
    for head, reads in edges:
        assert place[reads] <= place[head]
    for layer in found:
        assert layer.recursive == ((layer.relations[0], layer.relations[0]) in closure)


def test_a_long_chain_needs_no_deep_recursion() -> None:
    names = [f"n{number}" for number in range(50_000)]
    found = layers(names, [*pairwise(names), (names[-1], names[0])])
    assert len(found) == 1
    assert found[0].recursive


def kb_of(body: str) -> ast.Kb:
    file = parse_file("x.nesy", f"nesy 1\nkb k {{\n{body}\n}}").file
    (kb,) = file.declarations
    assert isinstance(kb, ast.Kb)
    return kb


LITERALS = {"+": "{}(a)", "-": "e(a), not {}(a)", "#": "e(a), 0 < count(b: {}(b))"}


@given(SIGNED)
def test_a_cycle_is_reported_exactly_where_one_goes_through_negation_or_an_aggregate(
    edges: list[tuple[str, str, str]],
) -> None:
    rules = "\n".join(
        f"rule x{number}: {head}(a) :- {LITERALS[sign].format(reads)};"
        for number, (head, reads, sign) in enumerate(edges)
    )
    declared = "\n".join(f"derived {name}(a: text)" for name in NAMES)
    kb = build_kb(kb_of(f"relation e(a: text)\n{declared}\n{rules}"), (), {}, [])
    found = rule_edges(kb.rules)
    order = layers(NAMES, ((edge.head, edge.reads) for edge in found))
    codes = {problem.code for problem in check_cycles(kb.scope, found, order)}
    closure = reach([(head, reads) for head, reads, _ in edges])
    wrong = {
        {"-": "E0403", "#": "E0404"}[sign]
        for head, reads, sign in edges
        if sign != "+" and (reads == head or (reads, head) in closure)
    }
    assert codes == wrong


BODY = (
    "p(a, n)",
    "s(a)",
    "n = m + 1",
    "m = n - 1",
    "a == b",
    "b = a",
    "not s(b)",
    "not p(c, _)",
    "or (p(b, m), p(b, n))",
    "or (s(c), n = 3)",
    "n > 2",
    "k = count(c: p(c, n))",
)


@given(st.permutations(BODY), st.integers(1, 6))
def test_the_order_of_literals_changes_nothing(body: list[str], size: int) -> None:
    literals = body[:size]
    turned = literals[::-1]
    assert codes_of(literals) == codes_of(turned)


def codes_of(literals: list[str]) -> list[tuple[str, str]]:
    text = "relation p(a: text, n: int)\nrelation s(a: text)\nderived q(a: text, n: int)\n"
    kb = build_kb(kb_of(f"{text}rule r: q(a, n) :- {', '.join(literals)};"), (), {}, [])
    (rule,) = kb.rules
    found = analyse_rule(kb.scope, rule, lambda span: "")
    return sorted((problem.code, problem.message) for problem in found.problems)


@given(st.permutations(BODY), st.integers(1, 6))
def test_more_positive_literals_bind_no_less(body: list[str], size: int) -> None:
    text = "relation p(a: text, n: int)\nrelation s(a: text)\nderived q(a: text, n: int)\n"
    kb = build_kb(kb_of(f"{text}rule r: q(a, n) :- {', '.join(body[:size])};"), (), {}, [])
    (rule,) = kb.rules
    for number in range(1, size):
        assert bound_by(rule.body[:number]) <= bound_by(rule.body)
