"""Random programs as .nesy text, through the compiler and the engine, against the definition in plain Python.

2,000 programs in every run of the suite, 20,000 under `make fuzz`. A program that fails is shown as small as it gets.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from oracle import answers, broken, evaluate
from programs import SEMANTICS, Source, compiled, smallest
from random_programs import generate
from running import ask, derived, open_kb

from nesyc.ir import nodes as ir
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.why import violations

CHUNKS = 20
CHUNK = 250 if os.environ.get("NESYC_FUZZ") else 25
DIGITS = 1e-12

Difference = dict[Any, tuple[Any, Any]]


def differences(kb: ir.Kb) -> Difference:
    """Facts and confidences, and violations of constraints, where the engine and the definition do not agree."""
    world = evaluate(kb)
    if kb.semantics.kind == "max_product":  # without a trial, so in courses of confidence
        kb = replace(kb, engine="sqlite")
    wanted = {(name, row): world.conf[name, row] for name, rows in world.seen.items() for row in rows}
    try:
        with open_kb(kb) as store:
            found = derived(store, kb)
            reported = sorted((one["name"], one["conf"]) for one in violations(store, limit=0))
    except UserError as error:
        return {"error": (error.message, None)}
    result: Difference = {
        fact: (found.get(fact), wanted.get(fact))
        for fact in found.keys() | wanted.keys()
        if abs(found.get(fact, 9.0) - wanted.get(fact, 9.0)) > DIGITS
    }
    expected = sorted(broken(world))
    same = len(reported) == len(expected) and all(
        one[0] == two[0] and abs(one[1] - two[1]) <= DIGITS
        for one, two in zip(reported, expected, strict=True)
    )
    return result if same else result | {"forbid": (reported, expected)}


@pytest.mark.parametrize("semantics", SEMANTICS)
def test_queries_agree_with_the_definition(semantics: str, tmp_path: Path) -> None:
    """Conjunctions of every kind of literal: the bodies of constraints, asked as questions."""
    asked = 0
    for number in range(CHUNK):
        source = generate(number, semantics)
        kb = compiled(source, tmp_path)
        assert kb is not None
        world = evaluate(kb)
        with open_kb(kb) as store:
            for constraint in kb.constraints:
                columns = tuple(sorted(named(constraint.body)))
                found = ask(store, kb, *constraint.body, columns=columns)["rows"]
                wanted = answers(world, constraint.body, columns)
                assert {tuple(row["values"]) for row in found} == wanted.keys(), constraint.text
                confidences = [wanted[tuple(row["values"])] for row in found]
                assert [row["conf"] for row in found] == pytest.approx(confidences, abs=DIGITS), (
                    constraint.text
                )
                assert confidences == sorted(confidences, key=lambda conf: -round(conf, 12))
                asked += len(found)
    assert asked > CHUNK


def named(body: Iterable[ir.BodyLiteral]) -> set[str]:
    """The named variables of positive atoms."""
    terms = (
        term
        for literal in body
        if isinstance(literal, ir.AtomLiteral) and not literal.negated
        for term in literal.terms
    )
    return {term.name for term in terms if isinstance(term, ir.Var) and term.name is not None}


def chunks() -> list[Any]:
    """(semantics, chunk) pairs; `make quick` runs the first chunk of each."""
    return [
        pytest.param(kind, chunk, marks=[pytest.mark.fuzz, *([pytest.mark.slow] if chunk else [])])
        for kind in SEMANTICS
        for chunk in range(CHUNKS)
    ]


@pytest.mark.parametrize(("semantics", "chunk"), chunks())
def test_the_engine_agrees_with_the_definition(semantics: str, chunk: int, tmp_path: Path) -> None:
    def fails(source: Source) -> bool:
        kb = compiled(source, tmp_path)
        return kb is not None and bool(differences(kb))

    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        source = generate(number, semantics)
        kb = compiled(source, tmp_path)
        assert kb is not None, f"the checks refuse program {number}:\n{source}"
        if differences(kb):
            small = smallest(source, fails)
            reduced = compiled(small, tmp_path)
            assert reduced is not None
            pytest.fail(
                f"program {number} under {semantics}:\n{small}\n(found, wanted): {differences(reduced)}"
            )


def test_random_programs_are_worth_running(tmp_path: Path) -> None:
    """Most derived relations have rows, and every construct is there."""
    filled = total = 0
    text = ""
    for number in range(60):
        source = generate(number, "boolean")
        text += str(source)
        kb = compiled(source, tmp_path)
        assert kb is not None
        rows = evaluate(kb).seen
        counts = [len(rows[relation.name]) for relation in kb.relations if relation.derived]
        filled += sum(count > 0 for count in counts)
        total += len(counts)
    assert filled > 0.8 * total
    wanted = ("not d", "or (", "count(", "sum(", "min(", "max(", "avg(", "known(", "null", "resolve", "forbid",
              "concat(", "length(", "matches(", "starts_with(", "contains(", "replace(", "upper(", " + ", " * ", " % ",
              " / ", "!=", "<=", ".red", "_")  # fmt: skip
    assert [piece for piece in wanted if piece not in text] == []
