"""`whynot` on random programs: what it says was met can be met, and the literal it names cannot be met as well."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from oracle import World, aggregate, evaluate, ready, solve, strata
from programs import SEMANTICS, compiled
from random_programs import generate
from rich.console import Console
from running import open_kb
from samples import TEXT, atom, compare, const, fact, kb, relation, rule, var

from nesyc.cli.proofs import whynot_text
from nesyc.ir import nodes as ir
from nesyc.pipeline import check_spec
from nesyc_runtime.kb.proofs.whynot import whynot

MANY = 300 if os.environ.get("NESYC_FUZZ") else 15
VALUES = {"text": ["a", "b", "nobody"], "int": [0, 1, 99], "number": [0.5, 7.0], "enum": ["red", "blue"]}


# where a text that no row has stands in the head: once it was lost on the way, and a literal that holds was named
ASTRAY = (57, 73, 99, 276)


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", SEMANTICS)
def test_the_nearest_literal_that_failed(semantics: str, tmp_path: Path) -> None:
    checked = 0
    for number in (*range(MANY), *ASTRAY):
        kb = compiled(generate(number, semantics), tmp_path)
        assert kb is not None
        world = evaluate(kb)
        with open_kb(kb) as store:
            for relation, row in missing(world):
                found = whynot(store, relation, row)
                assert not found["holds"]
                shares = [one["matched"] / max(one["of"], 1) for one in found["attempts"]]
                assert shares == sorted(shares, reverse=True)
                least = whynot(store, relation, row, limit=1)
                assert least["attempts"] == found["attempts"][:1]
                assert least["truncated"] == (len(shares) > 1) and not found["truncated"]
                checked += sum(attempt_is_right(world, row, one) for one in found["attempts"])
    assert checked > MANY


def missing(world: World) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Two facts of each derived relation that nothing gives."""
    for declared in world.kb.relations:
        known = {row for name, row in world.conf if name == declared.name}
        rows = [
            tuple(VALUES[c.type.base][i % len(VALUES[c.type.base])] for c in declared.columns)
            for i in range(3)
        ]
        yield from (
            (declared.name, row) for row in [one for one in rows if one not in known][:2] if declared.derived
        )


def attempt_is_right(world: World, row: tuple[Any, ...], attempt: dict[str, Any]) -> bool:
    """Whether the attempt was compared: a body with `or`, or one that cannot be met in the order written, is left out."""
    rule = next(one for one in world.kb.rules if one.name == attempt["rule"])
    terms = rule.head.terms
    names = [term.name for term in terms if isinstance(term, ir.Var)]
    if len(set(names)) < len(terms) or any(isinstance(one, ir.OrLiteral) for one in rule.body):
        return False
    head = dict(zip(names, row, strict=True))
    met = attempt["matched"]
    assert attempt["of"] == len(rule.body) and met < len(rule.body)
    if not in_order(rule.body[: met + 1], head):
        return False
    assert attempt["literal"] == rule.body[met].text
    within = inside(world, next(names for names in strata(world.kb) if rule.head.relation in names))
    assert met == 0 or next(solve(within, rule.body[:met], head), None) is not None, (rule.text, row)
    assert next(solve(within, rule.body[: met + 1], head), None) is None, (rule.text, row)
    failed = rule.body[met]
    assert ("came_to" in attempt) == isinstance(failed, ir.AggregateLiteral)
    if isinstance(failed, ir.AggregateLiteral):
        env = head | attempt["bindings"]
        assert attempt["came_to"] == pytest.approx(aggregate(within, failed, env, "")), (rule.text, row)
    return True


def in_order(literals: tuple[ir.BodyLiteral, ...], head: dict[str, Any]) -> bool:
    bound = dict(head)
    for literal in literals:
        if not ready(literal, bound):
            return False
        if isinstance(literal, ir.AtomLiteral) and not literal.negated:
            bound |= {term.name: None for term in literal.terms if isinstance(term, ir.Var) and term.name}
        if isinstance(literal, (ir.CompareLiteral, ir.AggregateLiteral)) and literal.operator == "=":
            result = literal.result if isinstance(literal, ir.AggregateLiteral) else literal.left
            bound |= {result.name: None} if isinstance(result, ir.Var) and result.name else {}
    return True


def inside(world: World, relations: set[str]) -> World:
    """The world as rules of a stratum see it: candidates that lost later take part."""
    rows = {name: set(found) for name, found in world.seen.items()}
    for name, values in world.conf:
        if name in relations:
            rows[name].add(values)
    return World(world.kb, rows, world.conf, world.sets, world.rule, world.leaf)


def test_no_writer_is_waited_for_where_every_text_is_known(tmp_path: Path) -> None:
    x = var("x")
    sample = kb([relation("e", ("x", TEXT), key=["x"]), relation("d", ("x", TEXT), derived=True)], [fact("e", "a"), fact("e", "b")],
                [rule("r", atom("d", x), atom("e", x), compare(x, "!=", const("a")))], [["d"]])  # fmt: skip
    with open_kb(sample, tmp_path / "kb.db") as store, closing(sqlite3.connect(tmp_path / "kb.db")) as other:
        store.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        (attempt,) = whynot(store, "d", ("a",))["attempts"]
        assert (attempt["matched"], attempt["of"]) == (1, 2)
        other.rollback()
        (attempt,) = whynot(store, "d", ("c",))["attempts"]
        assert attempt["matched"] == 0
        assert store.find_symbol("c") is None


@pytest.mark.parametrize(
    ("term", "wanted", "said"),
    [
        ("1.0e308 - n * 3.0", "-Infinity", "it comes to -Infinity"),
        ("1.0 / (n - n)", None, "nothing in its group has one"),
    ],
)
def test_what_an_aggregate_comes_to_where_it_is_no_number(
    term: str, wanted: str | None, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.nesy"
    text = f"""nesy 1
    kb test {{
      relation v(k: text, n: number)
      derived d(k: text)
      facts v {{ ("a", 1.0e308), ("a", 1.1e308) }}
      rule r: d(k) :- v(k, _), sum({term}: v(k, n)) > 5.0;
    }}
    """
    checked = check_spec(path, unsaved={path: text})
    assert checked.spec is not None, checked
    with open_kb(checked.spec.kbs[0]) as store:
        found = whynot(store, "d", ("a",))
    json.dumps(found, allow_nan=False)
    assert found["attempts"][0]["came_to"] == wanted
    shown = StringIO()
    Console(file=shown, width=120).print(whynot_text(found))
    assert said in shown.getvalue()
