"""Explanations of facts that lie in DuckDB: the same as from SQLite, read over in one piece where a rule allows it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from running import open_kb
from samples import TEXT, atom, fact, kb, relation, rule, var

from nesyc.ir import nodes as ir
from nesyc_runtime.kb.proofs.graph import Graph
from nesyc_runtime.kb.proofs.slices import slice_below
from nesyc_runtime.kb.proofs.why import why
from nesyc_runtime.kb.rules import elsewhere

pytest.importorskip("duckdb")
X, Y, Z = var("x"), var("y"), var("z")
LEFT = (atom("tc", X, Y), atom("e", Y, Z))
RIGHT = (atom("e", X, Y), atom("tc", Y, Z))
BOTH = (atom("tc", X, Y), atom("tc", Y, Z))


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", 0)


def closure(engine: str, semantics: str, body: tuple[ir.AtomLiteral, ...]) -> ir.Kb:
    edges = [(i, (i + 1) % 9) for i in range(9)] + [(2, 6), (4, 1)]
    made = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True)],
        [fact("e", str(a), str(b), conf=0.9 - a / 20) for a, b in edges],
        [rule("one", atom("tc", X, Y), atom("e", X, Y)), rule("more", atom("tc", X, Z), *body, conf=0.95)],
        [["tc"]],
        semantics=semantics,
    )
    return dataclasses.replace(made, engine=engine)  # type: ignore[arg-type]


@pytest.mark.parametrize("semantics", ["boolean", "max_product"])
@pytest.mark.parametrize(("body", "carried"), [(LEFT, True), (RIGHT, True), (BOTH, False)])
def test_the_proofs_are_those_of_sqlite(
    tmp_path: Path, semantics: str, body: tuple[ir.AtomLiteral, ...], carried: bool
) -> None:
    with (
        open_kb(closure("duckdb", semantics, body), tmp_path / "kb.db") as store,
        open_kb(closure("sqlite", semantics, body)) as plain,
    ):
        assert store.elsewhere.relations == ("tc",)
        for goal in (("0", "1"), ("0", "8"), ("3", "3"), ("7", "2")):
            found, wanted = (why(one, "tc", goal, limit=5) for one in (store, plain))
            values = [[proof["value"] for proof in one["proofs"]] for one in (found, wanted)]
            assert values[0] == pytest.approx(values[1], abs=1e-12)
            assert (found["holds"], found["fact"]) == (wanted["holds"], wanted["fact"])
            assert found["conf"] == pytest.approx(wanted["conf"], abs=1e-12)
        row = Graph(store).find("tc", ("0", "8"))
        assert row is not None
        with slice_below(store, *row) as brought:
            assert brought is carried
            if brought:
                read = store.connection.execute('SELECT count(*) FROM "tc.rows"').fetchone()
                assert read == (9,)
        assert store.connection.execute('SELECT count(*) FROM "tc.rows"').fetchone() == (0,)


def test_nothing_is_brought_of_what_lies_in_sqlite() -> None:
    with open_kb(closure("sqlite", "boolean", LEFT)) as store, slice_below(store, "tc", 1) as brought:
        assert not brought
