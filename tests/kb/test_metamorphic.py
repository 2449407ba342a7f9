"""What must not change what follows: other names, another order; and what can only take away: one more literal."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from programs import SEMANTICS, Fact, Rule, Source, compiled
from random_programs import generate
from running import derived, open_kb

MANY = 200 if os.environ.get("NESYC_FUZZ") else 12
WORD = re.compile(r'"[^"]*"|\.\w+|\b[A-Za-z_]\w*\b')
VARIABLES = "xyzijkcdrs"
STORED = "efwgh"

Facts = dict[tuple[str, tuple[Any, ...]], float]


def facts_of(source: Source, folder: Path) -> Facts:
    kb = compiled(source, folder)
    assert kb is not None, str(source)
    with open_kb(kb) as store:
        return derived(store, kb)


def renamed(source: Source, names: Mapping[str, str]) -> Source:
    """The program with every name replaced; texts and enum constants stay."""

    def change(text: str) -> str:
        return WORD.sub(lambda word: names.get(word[0], word[0]), text)

    return replace(
        source,
        relations=tuple(map(change, source.relations)),
        facts=tuple(Fact(names[f.relation], f.row, f.origin) for f in source.facts),
        rules=tuple(
            Rule(names[r.name], r.confidence, change(r.head), tuple(map(change, r.body)), r.origin)
            for r in source.rules
        ),
        constraints=tuple(map(change, source.constraints)),
    )


def new_names(source: Source, random: Random) -> dict[str, str]:
    """Shuffled names; under `top_proofs`, where names of rules and facts decide ties, longer ones in the same order."""
    kinds = [
        [*STORED, *(f"d{i}" for i in range(9))],
        [rule.name for rule in source.rules],
        list(VARIABLES),
        [f"c{i}" for i in range(3)],
    ]
    names: dict[str, str] = {}
    for number, kind in enumerate(kinds):
        others = list(kind)
        if not source.semantics.startswith("top_proofs"):
            random.shuffle(others)
        names |= {old: f"n{number}_{new}" for old, new in zip(kind, others, strict=True)}
    return names


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_names_change_nothing(semantics: str, tmp_path: Path) -> None:
    for number in range(MANY):
        source = generate(number, semantics)
        names = new_names(source, Random(number))
        before, after = facts_of(source, tmp_path), facts_of(renamed(source, names), tmp_path)
        same(source, {(names[name], row): conf for (name, row), conf in before.items()}, after)


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_order_changes_nothing(semantics: str, tmp_path: Path) -> None:
    for number in range(MANY):
        source = generate(number, semantics)
        shuffled = Random(number).sample
        rules = tuple(replace(rule, body=tuple(shuffled(rule.body, len(rule.body)))) for rule in source.rules)
        other = replace(
            source,
            relations=tuple(shuffled(source.relations, len(source.relations))),
            facts=tuple(shuffled(source.facts, len(source.facts))),
            rules=tuple(shuffled(rules, len(rules))),
        )
        same(source, facts_of(source, tmp_path), facts_of(other, tmp_path))


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_one_more_literal_never_adds_a_fact(semantics: str, tmp_path: Path) -> None:
    """In a program without `not`, aggregates and winners; nor does it make one surer, where a proof's value says so."""
    for number in range(MANY):
        source = generate(number, semantics, positive=True)
        random = Random(number)
        chosen = random.randrange(len(source.rules))
        rule = source.rules[chosen]
        longer = replace(
            rule, body=(*rule.body, random.choice(("e(_, _)", "f(x)", 'e("a", x)', "g(.red, _)")))
        )
        rules = (*source.rules[:chosen], longer, *source.rules[chosen + 1 :])
        before, after = facts_of(source, tmp_path), facts_of(replace(source, rules=rules), tmp_path)
        assert after.keys() <= before.keys(), str(source)
        if semantics in ("max_min", "max_product"):
            assert all(after[fact] <= before[fact] + 1e-12 for fact in after), str(source)


def test_one_more_literal_does_take_facts_away(tmp_path: Path) -> None:
    """The test above would see nothing if no literal ever did."""
    lost = 0
    for number in range(10):
        source = generate(number, "boolean", positive=True)
        narrow = replace(
            source, rules=tuple(replace(rule, body=(*rule.body, "f(x)")) for rule in source.rules)
        )
        lost += len(facts_of(narrow, tmp_path)) < len(facts_of(source, tmp_path))
    assert lost >= 5


def same(source: Source, before: Facts, after: Facts) -> None:
    assert before.keys() == after.keys(), str(source)
    assert [after[fact] for fact in before] == pytest.approx(list(before.values()), abs=1e-12), str(source)
