"""kill -9 amid changes of a KB whose derived relations DuckDB holds: what is asked for is what follows from the facts."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import TEXT, atom, const, kb, relation, rule, var

from nesyc.emit.sql import emit_program
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.kb.rules import elsewhere
from nesyc_runtime.kb.rules.evaluate import evaluate, is_done
from nesyc_runtime.kb.storage.rows import Claim, hold, interned, owned_rows, release
from nesyc_runtime.kb.storage.store import Store, open_store

HERE = Path(__file__).resolve().parent
STEPS = 400
NODES = 40
CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); import test_kill_engines as t; t.main(t.Path(sys.argv[2]))"
)

Pairs = set[tuple[str, str]]


def opened(folder: Path) -> Store:
    """Edges, their closure, and what node 0 reaches, which is small enough to lie in the store."""
    elsewhere.SMALL = NODES
    x, y, z = var("x"), var("y"), var("z")
    declared = kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True),
         relation("from0", ("b", TEXT), derived=True)],
        [],
        [rule("one", atom("tc", x, y), atom("e", x, y)),
         rule("more", atom("tc", x, z), atom("tc", x, y), atom("e", y, z)),
         rule("far", atom("from0", x), atom("tc", const("n0"), x))],
        [["tc"], ["from0"]],
    )  # fmt: skip
    world = dataclasses.replace(declared, engine="duckdb")
    return open_store(
        folder / "kb.db", config.Kb.model_validate(encode(world)), emit_program(world).to_json()
    )


def step(store: Store, number: int) -> None:
    """Some edges more, now and then some less; then what follows, in a transaction of its own."""
    chosen = random.Random(number)
    plan = store.relation("e")
    with store.writing():
        for _ in range(3):
            pair = [f"n{chosen.randrange(NODES)}", f"n{chosen.randrange(NODES)}"]
            hold(store, plan, interned(store, plan, pair), Claim("person", 1.0, "human"))
        if number % 4 == 3:
            for row in chosen.sample(owned_rows(store, plan, "person"), 3):
                release(store, plan, row, "person")
        store.facts_changed()
    evaluate(store)


def main(folder: Path) -> None:
    with opened(folder) as store:
        for number in range(STEPS):
            step(store, number)
            (folder / "done").write_text(str(number))
        signal.pause()  # a fast machine is done: the kill falls after the last step


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_leaves_facts_and_what_follows_in_step(tmp_path: Path) -> None:
    source, seen = random.Random(3), set()
    kills = int(os.environ.get("NESYC_KILLS", "6"))
    for kill in range(kills):
        folder = tmp_path / str(kill)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(HERE), str(folder)], cwd=HERE.parents[1])
        deadline = time.monotonic() + 60
        while not (folder / "done").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(2 * source.random())
        assert process.poll() is None, "the child ended first: nothing was tested"
        process.kill()
        process.wait()
        seen.add(check(folder))
    assert kills < 10 or len(seen) > kills // 4, "the kills fell on a few moments only"


def check(folder: Path) -> int:
    """The number of edges that a kill left; they and all that follows from them are there."""
    plain = sqlite3.connect(folder / "kb.db")
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    edges = set(plain.execute("SELECT a, b FROM e").fetchall())
    plain.close()
    with opened(folder) as store:
        if is_done(store):  # then it may be asked without deriving anything
            assert held(store) == following(edges)
        evaluate(store)
        assert held(store) == following(edges)
        step(store, STEPS)
    assert len(list(folder.glob("*.duckdb*"))) <= 1
    return len(edges)


def following(edges: Pairs) -> Pairs:
    found, fresh = set(edges), set(edges)
    while fresh:
        fresh = {(a, d) for a, b in fresh for c, d in edges if b == c} - found
        found |= fresh
    return found | {("from0", b) for a, b in found if a == "n0"}


def held(store: Store) -> Pairs:
    texts = dict(store.execute('SELECT id, text FROM "nesyc.symbol"').fetchall())
    pairs = store.execute('SELECT a, b FROM "tc.rows"').fetchall()
    ends = store.execute('SELECT b FROM "from0.rows"').fetchall()
    return {(texts[a], texts[b]) for a, b in pairs} | {("from0", texts[b]) for (b,) in ends}
