"""Facts that come to a KB whose derived relations DuckDB holds: the same as deriving anew, on random edits."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from random_programs import CONFIDENCES
from running import derived, open_kb
from samples import TEXT, atom, fact, kb, relation, rule, var
from test_change import RECURSIONS, recursive

from nesyc.ir import nodes as ir
from nesyc_runtime.kb.rules import change, elsewhere, evaluate, more
from nesyc_runtime.kb.storage.rows import Claim, find_row, hold, interned, owned_rows, release
from nesyc_runtime.kb.storage.store import Store

PROGRAMS = 50 if os.environ.get("NESYC_FUZZ") else 2
UP = 'rule up: r(x) :- p(x, x), f(x); rule wi: r(x) :- p(x, "a");'
NOT = f"{UP} rule un: s(x) :- f(x), not p(x, x);"
NAMES = [name for name in RECURSIONS if name != "winners"]

Facts = dict[tuple[str, ...], float]


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each change of what DuckDB held was joined there."""
    ran: list[bool] = []
    add = more.add_elsewhere

    def counting(store: Store) -> int | None:
        rounds = add(store)
        ran.append(rounds is not None)
        return rounds

    monkeypatch.setattr(more, "add_elsewhere", counting)
    monkeypatch.setattr(change, "MOST", 9.0)
    return ran


def edit(store: Store, random: Random, held: Facts) -> bool:
    """Some facts more, or surer, now and then one less or less sure; `held` follows. Whether that only adds."""
    adds = True
    with store.writing():
        for _ in range(random.randint(1, 3)):
            row = random.choice(
                [("e", random.choice("abcdef"), random.choice("abcdef")), ("f", random.choice("abcdef"))]
            )
            plan = store.relation(row[0])
            values = interned(store, plan, row[1:])
            before, conf = held.get(row, 0.0), random.choice(CONFIDENCES)
            if conf < before and random.random() < 0.8:
                continue
            if before and random.random() < 0.05:
                number = find_row(store, plan, values)
                assert number in owned_rows(store, plan, "person")
                release(store, plan, number, "person")
                del held[row]
                adds = False
                continue
            adds &= conf >= before or store.program.semantics == "boolean"
            held[row] = conf
            hold(store, plan, values, Claim("person", conf, "human"))
        store.facts_changed()
    return adds


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product"])
@pytest.mark.parametrize(
    ("name", "above"),
    [
        pytest.param(name, above, marks=[] if name in ("left", "mutual") else [pytest.mark.slow])
        for name, above in [*((name, UP) for name in NAMES), ("left", NOT)]
    ],
)
def test_what_comes_is_joined_to_what_is_there(
    name: str,
    semantics: str,
    above: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counted: list[bool],
) -> None:
    empty = replace(recursive(semantics, RECURSIONS[name], (), tmp_path, above), engine="duckdb")
    wanted = 0
    for number in range(PROGRAMS):
        random = Random(f"{name} {semantics} {above} {number}")
        monkeypatch.setattr(elsewhere, "SMALL", (0, 4)[number % 2])
        monkeypatch.setattr(more, "FEW", random.choice((0, 3, 1000)))
        monkeypatch.setattr(more, "ROUNDS", random.choice((1, 3)))
        held: Facts = {}
        with open_kb(empty, tmp_path / f"{number}.db") as store:
            for _ in range(6):
                edit(store, random, held)
            with store.writing():
                store.set_state("strata", "{}")  # derived anew, so that what is large goes to DuckDB
            evaluate.evaluate(store)
            for _ in range(6):
                away = bool(store.elsewhere.relations)
                adds = edit(store, random, held)
                assert evaluate.evaluate(store).ran
                wanted += adds and away and above == UP
                facts = tuple(fact(*row, conf=conf) for row, conf in held.items())
                with open_kb(replace(empty, facts=facts, engine="sqlite")) as fresh:
                    assert derived(store, empty) == pytest.approx(derived(fresh, empty), abs=1e-12)
    assert sum(counted) >= wanted, "not joined, though it only adds"
    assert wanted or above == NOT


def chain(edges: int) -> ir.Kb:
    x, y, z = var("x"), var("y"), var("z")
    relations = [
        relation("e", ("a", TEXT), ("b", TEXT)),
        relation("p", ("a", TEXT), ("b", TEXT), derived=True),
    ]
    rules = [rule("one", atom("p", x, y), atom("e", x, y)), rule("more", atom("p", x, z), atom("p", x, y), atom("e", y, z))]  # fmt: skip
    facts = [fact("e", str(number), str(number + 1)) for number in range(edges)]
    return replace(kb(relations, facts, rules, [["p"]]), engine="duckdb")


def test_all_that_follows_at_once_comes_after_what_it_stands_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counted: list[bool]
) -> None:
    """`why` walks down a proof by rows that came earlier."""
    monkeypatch.setattr(elsewhere, "SMALL", 0)
    open_kb(chain(60), tmp_path / "kb.db").close()
    with open_kb(chain(70), tmp_path / "kb.db") as store:
        assert counted == [True]
        found = store.execute('SELECT a, b FROM "p.rows" ORDER BY _row').fetchall()
        place = {(int(store.text(a)), int(store.text(b))): number for number, (a, b) in enumerate(found)}
        assert len(place) == 70 * 71 // 2
        late = [(a, b) for a, b in place if b > a + 1 and place[a, b - 1] > place[a, b]]
        assert late == []
