"""What each confidence semantics says, on programs small enough to work out by hand."""

from __future__ import annotations

import pytest
from oracle import evaluate as oracle
from running import ask, derived, open_kb
from samples import PLACE, TEXT, atom, const, fact, kb, relation, rule, var

from nesyc.ir import nodes as ir


def agree(kb: ir.Kb) -> None:
    store = open_kb(kb)
    try:
        found = derived(store, kb)
    finally:
        store.close()
    world = oracle(kb)
    wanted = {(name, row): world.conf[name, row] for name, rows in world.seen.items() for row in rows}
    assert found.keys() == wanted.keys()
    for one, value in wanted.items():
        assert found[one] == pytest.approx(value, abs=1e-12), one


def test_unreviewed_guesses_never_outvote_a_reviewed_fact() -> None:
    """A derived fact's confidence stays under the cap of its best proof, however many proofs there are."""
    x, y = var("x"), var("y")
    guesses = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("d", ("a", TEXT), derived=True)],
        [*(fact("e", "guess", str(i), origin="unreviewed") for i in range(9)),
         *(fact("e", "mixed", str(i), origin="unreviewed") for i in range(9)), fact("e", "mixed", "t", origin="teacher")],
        [rule("r", atom("d", x), atom("e", x, y))], [["d"]],
        semantics="top_proofs", k=10, ceiling=ir.Ceiling(1.0, 0.9, 0.6),
    )  # fmt: skip
    agree(guesses)
    with open_kb(guesses) as store:
        found = derived(store, guesses)
    assert found["d", ("guess",)] == pytest.approx(0.6)
    assert found["d", ("mixed",)] == pytest.approx(0.9)


def test_top_proofs_counts_a_shared_leaf_once() -> None:
    x, y, z = var("x"), var("y"), var("z")
    shared = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("d", ("a", TEXT), derived=True),
         relation("pair", ("a", TEXT), derived=True)],
        [fact("e", "a", "b", conf=0.5), fact("e", "b", "c", conf=0.5), fact("e", "b", "d", conf=0.5)],
        [rule("r", atom("d", x), atom("e", x, y), atom("e", y, z)), rule("p", atom("pair", x), atom("d", x), atom("e", x, y))],
        [["d"], ["pair"]], semantics="top_proofs", k=3,
    )  # fmt: skip
    agree(shared)
    with open_kb(shared) as store:
        found = derived(store, shared)
        asked = ask(store, shared, atom("e", const("a"), y), atom("d", const("a")), columns=("y",))
    assert found["d", ("a",)] == pytest.approx(0.5 * (1 - 0.25))
    assert found["pair", ("a",)] == pytest.approx(0.5 * (1 - 0.25))
    assert asked["rows"][0]["conf"] == pytest.approx(0.5 * (1 - 0.25))


def test_ties_between_leaf_sets_go_to_the_fewer_leaves_then_to_the_rule_then_to_the_facts() -> None:
    """With k = 2 the best set is `top`; which of two equally good others comes second shows in the union."""
    x = var("x")
    ones = [relation(name, ("a", TEXT)) for name in ("c", "c2", "b", "b2")]
    facts = [
        fact("c", "k", conf=0.5),
        fact("c2", "k", conf=0.5),
        fact("b", "k", conf=0.25),
        fact("b2", "k", conf=0.25),
    ]

    def conf(*second: tuple[str, tuple[str, ...]]) -> float:
        rules = [rule("top", atom("d", x), atom("c", x))]
        rules += [rule(name, atom("d", x), *(atom(one, x) for one in body)) for name, body in second]
        tied = kb(
            [*ones, relation("d", ("a", TEXT), derived=True)],
            facts,
            rules,
            [["d"]],
            semantics="top_proofs",
            k=2,
        )
        agree(tied)
        with open_kb(tied) as store:
            return derived(store, tied)["d", ("k",)]

    shared, apart = ("c", "c2"), ("b",)
    assert conf(("m", shared), ("n", apart)) == pytest.approx(
        1 - 0.5 * 0.75
    )  # fewer leaves, whatever the name
    assert conf(("n", shared), ("m", apart)) == pytest.approx(1 - 0.5 * 0.75)
    assert conf(("m", ("c", "b")), ("n", ("c2", "b"))) == pytest.approx(
        0.5
    )  # rule name: `m` shares the leaf c
    assert conf(("n", ("c", "b")), ("m", ("c2", "b"))) == pytest.approx(0.5 + 0.5 * 0.125)


def test_winners_tie_in_column_order_and_enums_by_declaration() -> None:
    colour = ir.Type("enum", enum="Colour")
    x, c = var("x"), var("c", colour)
    tied = kb(
        [relation("e", ("a", TEXT), ("c", colour)),
         relation("d", ("a", TEXT), ("c", colour), derived=True, unique=ir.Unique(("a",), "highest_conf"))],
        [fact("e", "k", "amber"), fact("e", "k", "red"), fact("e", "m", "amber", conf=0.9), fact("e", "m", "red", conf=0.8)],
        [rule("r", atom("d", x, c), atom("e", x, c))], [["d"]], semantics="max_min",
        enums=[ir.Enum("Colour", ("red", "amber"), PLACE)],
    )  # fmt: skip
    agree(tied)
    with open_kb(tied) as store:
        assert {row for name, row in derived(store, tied) if name == "d"} == {("k", "red"), ("m", "amber")}
