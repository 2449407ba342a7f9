"""Recursions that DuckDB runs in blocks: the rows of SQLite, on random facts, and as many blocks as pay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from random_programs import CONFIDENCES
from running import derived, open_kb
from samples import INT, PLACE, TEXT, atom, fact, kb, relation, rule, var
from test_change import RECURSIONS, recursive

from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.kb.rules import blocks, duck_rules, elsewhere
from nesyc_runtime.kb.rules.carried import carried_columns
from nesyc_runtime.kb.rules.evaluate import engine_used

IN_BLOCKS = ("left", "right", "winners")  # of RECURSIONS, those that hand a column on
X, Y, Z = var("x"), var("y"), var("z")


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many blocks each recursion ran in."""
    found: list[int] = []
    cut: Callable[..., list[str]] = duck_rules.cut

    def counting(*given: Any, **named: Any) -> list[str]:
        conditions = cut(*given, **named)
        found.append(len(conditions))
        return conditions

    monkeypatch.setattr(duck_rules, "cut", counting)
    return found


@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product"])
@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n == "left" else [pytest.mark.slow]) for n in sorted(RECURSIONS)]
)
def test_blocks_give_what_one_recursion_gives(
    name: str, semantics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: list[int]
) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", 0)
    for constant, value in (("WORTH", 0), ("SAMPLED", 1), ("BLOCK", 3), ("WEIGHTED", 3)):
        monkeypatch.setattr(blocks, constant, value)
    random, ran = Random(f"{name} {semantics}"), 0
    for number in range(4):
        letters = "abcdefgh"[: 4 + number]
        rows = {("e", random.choice(letters), random.choice(letters)) for _ in range(12)}
        rows |= {("f", random.choice(letters)) for _ in range(3)}
        facts = tuple(fact(*row, conf=random.choice(CONFIDENCES)) for row in sorted(rows))
        program = recursive(semantics, RECURSIONS[name], facts, tmp_path)
        with (
            open_kb(replace(program, engine="duckdb")) as store,
            open_kb(replace(program, engine="sqlite")) as plain,
        ):
            ran += engine_used(store)[0] == "duckdb"
            assert derived(store, program) == pytest.approx(derived(plain, program), abs=1e-12)
            rows = [one.execute('SELECT count(*) FROM "p.rows"').fetchone() for one in (store, plain)]
            assert rows[0] == rows[1], "a row twice"
    assert ran == 4
    assert (max(counts, default=0) > 1) == (name in IN_BLOCKS), counts


def closure(edges: list[tuple[int, int]], engine: str = "duckdb") -> ir.Kb:
    made = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True)],
        [fact("e", str(a), str(b)) for a, b in edges],
        [
            rule("one", atom("tc", X, Y), atom("e", X, Y)),
            rule("more", atom("tc", X, Z), atom("tc", X, Y), atom("e", Y, Z)),
        ],
        [["tc"]],
    )
    return replace(made, engine=engine)  # type: ignore[arg-type]


def test_as_many_blocks_as_the_sample_says(monkeypatch: pytest.MonkeyPatch, counts: list[int]) -> None:
    random = Random(0)
    graph = sorted({(random.randrange(150), random.randrange(150)) for _ in range(300)})
    chain = [(i, i + 1) for i in range(150)]
    monkeypatch.setattr(blocks, "WORTH", 150)
    monkeypatch.setattr(blocks, "BLOCK", 1000)
    monkeypatch.setattr(blocks, "SAMPLED", 4)
    sizes = []
    for edges in (graph, chain, chain[:100]):
        with open_kb(closure(edges)) as store:
            sizes.append(len(derived(store, closure(edges))) - len(edges))
    many, deep, few = counts
    assert sizes[0] / 2000 < many < sizes[0] / 500
    assert (deep, few) == (1, 1), "a long recursion, and one that begins with little, run at once"
    assert sizes[1:] == [150 * 151 / 2, 100 * 101 / 2]


def test_blocks_are_of_the_column_with_the_most_values(
    monkeypatch: pytest.MonkeyPatch, counts: list[int]
) -> None:
    k, integer = var("k", INT), ("k", INT)
    monkeypatch.setattr(blocks, "WORTH", 100)
    monkeypatch.setattr(blocks, "BLOCK", 500)
    monkeypatch.setattr(blocks, "SAMPLED", 8)
    random = Random(0)
    edges = sorted({(random.randrange(100), random.randrange(100)) for _ in range(200)})
    ends = ("a", TEXT), ("b", TEXT)
    made = kb(
        [relation("e", integer, *ends), relation("tc", integer, *ends, derived=True)],
        [fact("e", 0, str(a), str(b)) for a, b in edges],
        [
            rule("one", atom("tc", k, X, Y), atom("e", k, X, Y)),
            rule("more", atom("tc", k, X, Z), atom("tc", k, X, Y), atom("e", k, Y, Z)),
        ],
        [["tc"]],
    )
    with open_kb(replace(made, engine="duckdb")) as store, open_kb(replace(made, engine="sqlite")) as plain:
        assert derived(store, made) == derived(plain, made)
    assert 2 < counts[0] < 50
    monkeypatch.setattr(blocks, "SAMPLED", 101)
    with open_kb(replace(made, engine="duckdb")):
        assert counts[1:] == [1], "of few values no sample is taken"


def either(*branches: ir.AtomLiteral) -> ir.OrLiteral:
    return ir.OrLiteral(branches, PLACE, "or (...)")


@pytest.mark.parametrize(
    ("head", "body", "carried"),
    [
        ((X, Z), (atom("p", X, Y), atom("e", Y, Z)), [0]),
        ((X, Z), (atom("e", X, Y), atom("p", Y, Z)), [1]),
        ((X, Z), (atom("e", X, Y), atom("p", Y, Y), atom("e", Y, Z)), []),
        ((X, Y), (atom("e", X, Y),), [0, 1]),
        ((X, Y), (atom("p", X, Y), atom("p", Y, X)), []),
        ((X, Z), (atom("e", Y, Z), either(atom("p", X, Y), atom("p", X, Z))), [0]),
        ((X, Z), (atom("e", X, Z), either(atom("p", X, Y), atom("p", Y, Z))), []),
    ],
)
def test_the_columns_that_a_recursion_hands_on(
    head: tuple[ir.Term, ...], body: tuple[ir.BodyLiteral, ...], carried: list[int]
) -> None:
    declared = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("p", ("a", TEXT), ("b", TEXT), derived=True)],
        [],
        [rule("one", atom("p", X, Y), atom("e", X, Y)), rule("more", atom("p", *head), *body)],
        [["p"]],
    )
    assert carried_columns(config.Kb.model_validate(encode(declared)), "p") == carried
