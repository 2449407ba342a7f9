"""Confidences found in courses of rounds, the high ones first: what the naive evaluator finds, in fewer changes of rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from oracle import evaluate as oracle
from running import derived, open_kb
from samples import fact
from test_change import RECURSIONS, recursive

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc_runtime.kb.rules import rounds

ORDERED = sorted(
    set(RECURSIONS) - {"both"}
)  # of RECURSIONS, those without a rule that joins two of its relations


@pytest.fixture
def courses(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The confidences between which each course began."""
    found: list[tuple[float, float]] = []
    go_on = rounds.continue_rounds

    def noting(*given: Any, **named: Any) -> int:
        found.extend([named["between"]] if "between" in named else [])
        return go_on(*given, **named)

    monkeypatch.setattr(rounds, "continue_rounds", noting)
    return found


def graph(random: Random, folder: Path, rules: str, nodes: int) -> ir.Kb:
    letters = "abcdefghijklmnopqrst"[:nodes]
    rows = {("e", random.choice(letters), random.choice(letters)) for _ in range(2 * nodes)}
    rows |= {("f", random.choice(letters)) for _ in range(nodes // 2)}
    facts = tuple(fact(*row, conf=0.5 + random.random() / 2) for row in sorted(rows))
    return replace(recursive("max_product", rules, facts, folder), engine="sqlite")


@pytest.mark.parametrize("powers", [(5, 9), (1, 2, 3, 4), (1,)])
@pytest.mark.parametrize("name", sorted(RECURSIONS))
def test_courses_find_the_best_proof(
    name: str,
    powers: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    courses: list[tuple[float, float]],
) -> None:
    monkeypatch.setattr(rounds, "COURSES", powers)
    for number in range(3):
        kb = graph(Random(f"{name} {number}"), tmp_path, RECURSIONS[name], 5 + 3 * number)
        with open_kb(kb) as store:
            found = derived(store, kb)
        world = oracle(kb)
        wanted = {(one, row): world.conf[one, row] for one, rows in world.seen.items() for row in rows}
        assert found == pytest.approx(wanted, abs=1e-12)
    in_courses = [stratum.by_confidence for stratum in emit_program(kb).strata]
    assert sum(in_courses) == (name in ORDERED)
    assert len(courses) == 3 * (len(powers) + 1) * sum(in_courses)


def test_rows_get_better_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kb = graph(Random(3), tmp_path, RECURSIONS["left"], 20)
    written = []
    for powers in ((), (2, 4, 6)):
        monkeypatch.setattr(rounds, "COURSES", powers)
        with open_kb(kb) as store:
            (last,) = store.execute('SELECT max(_row) FROM "p.rows"').fetchone()
            (rows,) = store.execute('SELECT count(*) FROM "p.rows"').fetchone()
            written.append(last - rows)
    assert written[1] < written[0]


def test_certain_facts_take_one_course(tmp_path: Path, courses: list[tuple[float, float]]) -> None:
    kb = graph(Random(4), tmp_path, "rule a: p(x, y) :- e(x, y); rule b: p(x, z) :- p(x, y), e(y, z);", 6)
    kb = replace(kb, facts=tuple(replace(one, confidence=1.0) for one in kb.facts))
    with open_kb(kb) as store:
        assert store.execute('SELECT count(*) FROM "p.rows"').fetchone()[0] > 0
    assert courses == [(0.0, rounds.TOP)]
