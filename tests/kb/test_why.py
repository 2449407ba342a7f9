"""Proofs: what `why` shows is a proof, the best comes first, and none is missing."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from oracle import World, evaluate, head_of, solve, strata
from programs import SEMANTICS, compiled
from random_programs import generate
from running import derived as derived_facts
from running import open_kb
from samples import PLACE, TEXT, atom, const, fact, family, kb, relation, rule, var

from nesyc.ir import nodes as ir
from nesyc_runtime.kb.proofs.contradictions import contradictions
from nesyc_runtime.kb.proofs.why import best_rule, violations, why
from nesyc_runtime.kb.proofs.whynot import whynot
from nesyc_runtime.kb.storage.store import Store

MANY = 500 if os.environ.get("NESYC_FUZZ") else 20


def trees(world: World, goal: Any, above: frozenset[Any] = frozenset()) -> Iterator[Any]:
    """Every proof tree of a fact by the definition: (fact, rule, bindings, parts); a fact never supports itself."""
    if goal in world.leaf and goal[0] in world.seen and not derived(world.kb, goal[0]):
        yield goal, None, (), ()
        return
    own = next(names for names in strata(world.kb) if goal[0] in names)
    for one in world.kb.rules:
        if one.head.relation != goal[0] or not one.active:
            continue
        for env, facts in solve(candidates(world, own), one.body, {}):
            if head_of(world.kb, one, env) != goal or any(f == goal or f in above for f in facts):
                continue
            key = tuple(sorted(env.items(), key=lambda item: item[0]))
            for parts in chosen_trees(world, facts, above | {goal}):
                yield goal, one.name, key, parts


def chosen_trees(world: World, facts: tuple[Any, ...], above: frozenset[Any]) -> Iterator[tuple[Any, ...]]:
    """One tree for each fact, in every combination, as they are asked for."""
    if not facts:
        yield ()
        return
    for first in trees(world, facts[0], above):
        for rest in chosen_trees(world, facts[1:], above):
            yield first, *rest


def derived(kb_: ir.Kb, name: str) -> bool:
    return next(one for one in kb_.relations if one.name == name).derived


def candidates(world: World, relations: set[str]) -> World:
    """The world inside a stratum: losers of `resolve` take part there."""
    rows = {name: set(found) for name, found in world.seen.items()}
    for name, values in world.conf:
        if name in relations:
            rows[name].add(values)
    return World(world.kb, rows, world.conf, world.sets, world.rule, world.leaf)


def value(world: World, tree: Any) -> float:
    leaves: list[tuple[Any, float]] = []

    def walk(one: Any) -> None:
        goal, name, key, parts = one
        if name is None:
            leaves.append((goal, world.conf[goal]))
            return
        own = next(r for r in world.kb.rules if r.name == name)
        cap = getattr(world.kb.ceiling, own.origin)
        leaves.append(((name, key), min(own.confidence, cap)))
        for part in parts:
            walk(part)

    walk(tree)
    values = [conf for _, conf in leaves]
    kind = world.kb.semantics.kind
    if kind == "boolean":
        return 1.0
    if kind == "max_min":
        return min(values)
    return math.prod(dict(leaves).values() if kind == "top_proofs" else values)


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_proofs_are_those_of_the_definition(semantics: str, tmp_path: Path) -> None:
    seen = 0
    for number in range(MANY):
        kb_ = compiled(generate(number, semantics), tmp_path)
        assert kb_ is not None
        world = evaluate(kb_)
        with open_kb(kb_) as store:
            for one in kb_.relations:
                for row in sorted(world.seen[one.name], key=repr)[:2] if one.derived else ():
                    seen += proofs_agree(store, world, (one.name, row))
    assert seen > MANY


def proofs_agree(store: Store, world: World, fact: Any) -> bool:
    """Whether the fact was compared: too many proofs are left out."""
    wanted = sorted((value(world, tree) for tree in islice(trees(world, fact), 61)), reverse=True)
    if len(wanted) > 60:
        return False
    found = why(store, *fact, limit=0)
    assert found["holds"] and not found["truncated"]
    assert found["conf"] == pytest.approx(world.conf[fact], abs=1e-12)
    values = [proof["value"] for proof in found["proofs"]]
    assert values == pytest.approx(wanted, abs=1e-12), fact
    assert [proof["tree"]["conf"] for proof in found["proofs"]] == pytest.approx(values, abs=1e-12)
    if world.kb.semantics.kind != "top_proofs":
        (best,) = why(store, *fact, limit=1)["proofs"]
        assert best["value"] == pytest.approx(found["conf"], abs=1e-12)
        half = why(store, *fact, limit=max(1, len(wanted) // 2))["proofs"]
        assert [proof["value"] for proof in half] == pytest.approx(wanted[: len(half)], abs=1e-12)
    assert best_rule(store, (fact[0], row_of(store, *fact))) == found["proofs"][0]["tree"]["rule"]
    return True


def row_of(store: Any, name: str, row: tuple[Any, ...]) -> int:
    from nesyc_runtime.kb.proofs.graph import Graph

    fact = Graph(store).find(name, row)
    assert fact is not None
    return fact[1]


def chain(n: int) -> ir.Kb:
    x, y, z = var("x"), var("y"), var("z")
    return kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True)],
        [fact("e", str(i), str(i + 1)) for i in range(n)] + [fact("e", str(n), "0")],
        [
            rule("one", atom("tc", x, y), atom("e", x, y)),
            rule("more", atom("tc", x, z), atom("tc", x, y), atom("e", y, z)),
        ],
        [["tc"]],
    )


def test_deep_recursion_is_explained_and_ends() -> None:
    with open_kb(chain(400)) as store:
        assert store.execute('SELECT count(*) FROM "tc.rows"').fetchone() == (401 * 401,)
        found = why(store, "tc", ("0", "400"))
        assert len(found["proofs"]) == 1 and not found["truncated"]
        node, depth = found["proofs"][0]["tree"], 0
        while node["kind"] == "rule":
            node, depth = node["children"][0], depth + 1
        assert depth == 400


def test_limit_says_that_there_is_more() -> None:
    x, y = var("x"), var("y")
    many = kb([relation("e", ("a", TEXT), ("b", TEXT)), relation("d", ("a", TEXT), derived=True)],
              [fact("e", "a", str(i)) for i in range(5)], [rule("r", atom("d", x), atom("e", x, y))], [["d"]])  # fmt: skip
    with open_kb(many) as store:
        assert [len(why(store, "d", ("a",), limit=n)["proofs"]) for n in (1, 4, 5, 0)] == [1, 4, 5, 5]
        assert [why(store, "d", ("a",), limit=n)["truncated"] for n in (1, 4, 5, 0)] == [
            True,
            True,
            False,
            False,
        ]


def test_the_kinship_sample() -> None:
    with open_kb(family()) as store:
        found = why(store, "kin", ("ann", "carl", "grandfather"))
        assert found["fact"] == {
            "relation": "kin",
            "args": ["ann", "carl", "grandfather"],
            "text": "carl is the grandfather of ann.",
        }
        (proof,) = found["proofs"]
        assert (found["conf"], proof["value"]) == (pytest.approx(0.874), pytest.approx(0.874))
        assert [node["kind"] for node in proof["tree"]["children"]] == ["rule", "fact", "fact", "compare"]
        assert proof["tree"]["rule"] == "kin_chain" and proof["tree"]["span"]["line"] == 71
        assert proof["tree"]["children"][1]["origin"] == {"by": "human", "source": "kb.nesy:67"}
        assert proof["tree"]["children"][2]["origin"] == {"by": "human", "source": "kb/compose.csv:2"}
        count = why(store, "sibling_count", ("ann", 1))["proofs"][0]["tree"]["children"]
        assert [node["kind"] for node in count] == ["fact", "aggregate"]
        assert why(store, "only_child", ("carl",))["proofs"][0]["tree"]["children"][1]["kind"] == "absent"
        assert why(store, "kin", ("ann", "ann", "father"))["holds"] is False


def test_whynot_names_the_first_literal_that_nothing_meets() -> None:
    with open_kb(family()) as store:
        chain_, base = whynot(store, "kin", ("ann", "dora", "uncle"))["attempts"]
        assert (base["rule"], base["matched"], base["of"], base["literal"]) == (
            "kin_base",
            0,
            1,
            "parent(a, b, r)",
        )
        assert (chain_["rule"], chain_["matched"], chain_["of"]) == ("kin_chain", 1, 4)
        assert chain_["literal"] == "parent(b, c, r2)"
        assert chain_["bindings"] == {"a": "ann", "c": "dora", "r": "uncle", "b": "bob", "r1": "father"}
        negated = whynot(store, "only_child", ("ann",))["attempts"][0]
        assert (negated["literal"], negated["matched"]) == ("not sibling(a, _)", 1)
        assert whynot(store, "kin", ("ann", "carl", "grandfather"))["holds"]
        assert whynot(store, "only_child", ("nobody",))["attempts"][0]["matched"] == 0


def test_losers_of_resolve_are_shown() -> None:
    x, y = var("x"), var("y")
    rivals = kb([relation("e", ("a", TEXT), ("b", TEXT)),
                 relation("d", ("a", TEXT), ("b", TEXT), derived=True, unique=ir.Unique(("a",), "highest_conf"))],
                [fact("e", "a", "low", conf=0.4), fact("e", "a", "high", conf=0.8)],
                [rule("r", atom("d", x, y), atom("e", x, y))], [["d"]], semantics="max_product")  # fmt: skip
    with open_kb(rivals) as store:
        assert why(store, "d", ("a", "high"))["losers"][0]["fact"]["args"] == ["a", "low"]
        lost = why(store, "d", ("a", "low"))
        assert (
            not lost["holds"] and lost["winner"]["fact"]["args"] == ["a", "high"] and len(lost["proofs"]) == 1
        )
        assert whynot(store, "d", ("a", "low"))["winner"]["conf"] == 0.8


def test_the_best_proof_by_its_leaves_comes_first_whatever_the_limit() -> None:
    """One leaf that stands twice in a tree counts once, so the tree with the greater product is not the better proof."""
    x = var("x")
    sample = kb([relation("e", ("x", TEXT), key=["x"]), *(relation(name, ("x", TEXT), derived=True) for name in "pd")],
                [fact("e", "a", conf=0.5), fact("e", "b", conf=0.4)],
                [rule("up", atom("p", x), atom("e", x)),
                 rule("twice", atom("d", const("goal")), atom("p", const("a")), atom("e", const("a"))),
                 rule("once", atom("d", const("goal")), atom("e", const("b")))], [["p"], ["d"]], semantics="top_proofs")  # fmt: skip
    with open_kb(sample) as store:
        whole = why(store, "d", ("goal",), limit=0)
        assert [(one["value"], one["tree"]["rule"]) for one in whole["proofs"]] == [
            (0.5, "twice"),
            (0.4, "once"),
        ]
        assert [one["tree"]["conf"] for one in whole["proofs"]] == [0.5, 0.4], (
            "a node says what its proof does"
        )
        first = why(store, "d", ("goal",), limit=1)
        assert first["proofs"] == whole["proofs"][:1] and first["truncated"] and not whole["truncated"]
        assert why(store, "d", ("goal",), limit=2) == whole


def test_a_broken_constraint_comes_with_its_proof() -> None:
    sample = family()
    loop = kb(sample.relations, [*sample.facts, fact("parent", "carl", "carl", "son", line=90)], sample.rules,
              [s.relations for s in sample.strata], semantics="top_proofs", constraints=sample.constraints,
              enums=sample.enums)  # fmt: skip
    with open_kb(loop) as store:
        found = violations(store)
        assert {one["name"] for one in found} == {"self_parent", "own_kin"}
        assert found[0]["proof"][0]["origin"]["source"] == "kb.nesy:90"
        assert next(one for one in found if one["name"] == "own_kin")["proof"][0]["rule"] == "kin_base"
    with open_kb(sample) as store:
        assert violations(store) == []


def test_unique_without_resolve_is_a_constraint() -> None:
    x, y = var("x"), var("y")
    twice = kb([relation("e", ("a", TEXT), ("b", TEXT)),
                relation("d", ("a", TEXT), ("b", TEXT), derived=True, unique=ir.Unique(("a",), None))],
               [fact("e", "a", "1"), fact("e", "a", "2"), fact("e", "b", "1")],
               [rule("r", atom("d", x, y), atom("e", x, y))], [["d"]])  # fmt: skip
    with open_kb(twice) as store:
        (broken,) = violations(store)
        assert broken["name"] == "unique of d"
        assert sorted(one["args"] for one in broken["facts"]) == [["a", "1"], ["a", "2"]]


def test_a_forbid_at_a_confidence_needs_as_much() -> None:
    x = var("x")

    def broken(at: float | None) -> int:
        constraint = ir.Constraint("c", at, (atom("e", x, var(None)), atom("e", x, x)), True, PLACE, "")
        weak = kb([relation("e", ("a", TEXT), ("b", TEXT))], [fact("e", "a", "a", conf=0.5)], [], [],
                  semantics="max_product", constraints=[constraint])  # fmt: skip
        with open_kb(weak) as store:
            return len(violations(store))

    assert (broken(None), broken(0.25), broken(0.3)) == (1, 1, 0)


@pytest.mark.parametrize(("semantics", "at", "found"), [
    ("max_product", 0.07, 1), ("max_product", 0.08, 0), ("max_min", 0.1, 1), ("max_min", 0.11, 0),
])  # fmt: skip
def test_confidences_together_reach_what_a_forbid_asks(semantics: str, at: float, found: int) -> None:
    """0.7 times 0.1 is 0.06999999999999999 as numbers are held, and reaches 0.07."""
    x = var("x")
    constraint = ir.Constraint("c", at, (atom("e", x), atom("f", x), atom("g", x)), True, PLACE, "")
    sample = kb(
        [relation(name, ("a", TEXT)) for name in "efg"],
        [fact("e", "a", conf=0.7), fact("f", "a", conf=0.1), fact("g", "a")], [],
        [], semantics=semantics, constraints=[constraint],
    )  # fmt: skip
    with open_kb(sample) as store:
        assert len(violations(store)) == found
        assert len(contradictions(store, [("g", ("a",))])) == found


def test_equally_good_proofs_do_not_grow_side_by_side(tmp_path: Path) -> None:
    """A program whose facts have very many proofs of the same size, all through one another."""
    program = compiled(generate(736, "boolean"), tmp_path)
    assert program is not None
    with open_kb(program) as store:
        assert violations(store, limit=0)


@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product"])
def test_a_search_that_gives_up_shows_the_proof_it_reckons_with(
    semantics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nesyc_runtime.kb.proofs.trees.PARTIAL", 0)
    shown = 0
    for number in range(15):
        kb_ = compiled(generate(number, semantics), tmp_path)
        assert kb_ is not None
        with open_kb(kb_) as store:
            for (name, row), conf in derived_facts(store, kb_).items():
                found = why(store, name, row, limit=1)
                if not store.relation(name).derived:
                    continue
                (proof,) = found["proofs"]
                assert found["truncated"]
                assert proof["value"] == pytest.approx(conf)
                assert proof["tree"]["fact"] == found["fact"]
                shown += 1
    assert shown > 60
