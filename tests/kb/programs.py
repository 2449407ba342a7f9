"""Random rule programs: mutual and non-linear recursion, negation, aggregates, `or`, comparisons, winners, nulls."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from samples import INT, TEXT, atom, compare, const, count, either, fact, kb, relation, rule, var

from nesyc.ir import nodes as ir

DOMAIN = "abcd"
NAMES = "xyz"
CONF = st.sampled_from([0.3, 0.5, 0.7, 0.9, 1.0])
ORIGIN = st.sampled_from(["human", "teacher", "unreviewed"])


def relations(unique: ir.Unique | None) -> list[ir.Relation]:
    return [
        relation("e", ("a", TEXT), ("b", TEXT)),
        relation("f", ("a", TEXT)),
        relation("w", ("a", TEXT), ("n", ir.Type("int", True))),
        relation("p", ("a", TEXT), ("b", TEXT), derived=True),
        relation("q", ("a", TEXT), ("b", TEXT), derived=True, unique=unique),
        relation("r", ("a", TEXT), derived=True),
        relation("s", ("a", TEXT), ("n", INT), derived=True),
    ]


@st.composite
def facts(draw: Any) -> list[ir.Fact]:
    text = st.sampled_from(DOMAIN)
    pairs = draw(st.lists(st.tuples(text, text), max_size=6, unique=True))
    single = draw(st.lists(text, max_size=3, unique=True))
    weights = draw(
        st.lists(st.tuples(text, st.one_of(st.none(), st.integers(0, 3))), max_size=4, unique=True)
    )
    rows = [("e", *p) for p in pairs] + [("f", v) for v in single] + [("w", *w) for w in weights]
    return [fact(*row, conf=draw(CONF), origin=draw(ORIGIN)) for row in rows]


def _term(draw: Any, names: str) -> ir.Term:
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return const(draw(st.sampled_from(DOMAIN)))
    return var(None) if kind == 1 else var(draw(st.sampled_from(names)))


@st.composite
def positive(draw: Any, sources: tuple[str, ...], names: str = NAMES) -> ir.AtomLiteral:
    name = draw(st.sampled_from(sources))
    return atom(name, *(_term(draw, names) for _ in range(1 if name in "fr" else 2)))


@st.composite
def body(
    draw: Any, sources: tuple[str, ...], lower: tuple[str, ...]
) -> tuple[list[ir.BodyLiteral], list[str]]:
    """Literals, and the variables they bind."""
    atoms = draw(st.lists(positive(sources), min_size=1, max_size=3))
    bound = sorted({t.name for a in atoms for t in a.terms if isinstance(t, ir.Var) and t.name})
    literals: list[ir.BodyLiteral] = list(atoms)
    if bound and draw(st.booleans()):
        literals.append(compare(var(draw(st.sampled_from(bound))), draw(st.sampled_from(["!=", "==", "<"])),
                                var(draw(st.sampled_from(bound)))))  # fmt: skip
    if bound and lower and draw(st.integers(0, 2)) == 0:
        name = draw(st.sampled_from(lower))
        terms = [
            draw(st.sampled_from([var(None), var(draw(st.sampled_from(bound)))]))
            for _ in range(1 if name in "fr" else 2)
        ]
        literals.append(atom(name, *terms, negated=True))
    if bound and draw(st.integers(0, 3)) == 0:
        x = var(draw(st.sampled_from(bound)))
        literals.append(either(atom("f", x), atom("e", x, var(None))))
    return draw(st.permutations(literals)), bound


@st.composite
def rules(draw: Any) -> list[ir.Rule]:
    made: list[ir.Rule] = []

    def add(head: str, sources: tuple[str, ...], lower: tuple[str, ...]) -> None:
        literals, bound = draw(body(sources, lower))
        arity = 1 if head == "r" else 2
        pick = [var(draw(st.sampled_from(bound))) if bound else const("a") for _ in range(arity)]
        made.append(
            rule(f"rule{len(made)}", atom(head, *pick), *literals, conf=draw(CONF), origin=draw(ORIGIN))
        )

    for head in draw(st.lists(st.sampled_from("pq"), min_size=1, max_size=4)):
        add(head, ("e", "f", "p", "q"), ("e", "f"))
    for _ in range(draw(st.integers(0, 2))):
        add("r", ("p", "q", "f", "r"), ("p", "q", "e"))
    if draw(st.booleans()):
        n, m = var("n", INT), var("m", INT)
        function = draw(st.sampled_from(["count", "sum", "min", "max"]))
        x, y = var("x"), var("y")
        if function == "count":
            aggregate = count(n, y, atom("p", x, y), groups=["x"])
        else:
            aggregate = count(n, m, atom("p", x, y), atom("w", y, m), groups=["x"], function=function)
        made.append(rule(f"rule{len(made)}", atom("s", x, n), atom("f", x), aggregate, conf=draw(CONF)))
    return made


@st.composite
def programs(draw: Any, semantics: str, k: int = 3) -> ir.Kb:
    unique = draw(st.sampled_from([None, ir.Unique(("a",), "highest_conf")]))
    ceiling = draw(st.sampled_from([ir.Ceiling(), ir.Ceiling(1.0, 0.8, 0.6)]))
    return kb(relations(unique), draw(facts()), draw(rules()), [["p", "q"], ["r"], ["s"]], semantics=semantics, k=k,
              ceiling=ceiling)  # fmt: skip
