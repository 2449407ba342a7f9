"""What an explanation takes, in CPU seconds: `why` of one fact in closures of a million facts, and what it needs recorded.

Beside limits we set: 50 ms for a fact, and 1.5 times the evaluation for all that `why` needs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any

from bench.clock import cpu
from bench.tables import Figure
from nesyc.emit.sql import emit_program
from nesyc.ir.encode import encode
from nesyc.pipeline import check_spec
from nesyc_runtime import config
from nesyc_runtime.kb.proofs.why import why
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store, open_store

SPEC = """nesy 1
kb graph {{
  engine = {engine}
  relation edge(a: text, b: text)
  derived reach(a: text, b: text)
  facts edge from csv("edges.csv")
  rule one:  reach(x, y) :- edge(x, y);
  rule more: reach(x, z) :- reach(x, y), edge(y, z);
}}
"""
LIMIT = 0.05
CHAIN = 1_414
NODES = 1_250

Edges = Iterable[tuple[int, int]]


def run() -> list[Figure]:
    """A chain, whose proofs are long, and a random graph with twice as many edges as nodes, whose proofs are many."""
    random = Random(1)
    dense = sorted({(random.randrange(NODES), random.randrange(NODES)) for _ in range(2 * NODES)})
    return [*_chain(), *_random(dense, "sqlite"), *_random(dense, "duckdb")]


def _chain() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        store, seconds = _opened(Path(folder), ((i, i + 1) for i in range(CHAIN)))
        with store:
            first = cpu(lambda: why(store, "reach", ("0", "1"), limit=1), repeats=1)
            return [
                Figure(
                    "evaluation and a first why, over evaluation",
                    (seconds + first) / seconds,
                    "",
                    1.5,
                    "our limit",
                ),
                *(
                    Figure(
                        f"why, chain, a proof of {far:,} steps",
                        _why(store, 0, far, 1000),
                        "CPU s",
                        limit,
                        "our limit",
                    )
                    for far, limit in ((10, LIMIT), (CHAIN // 3, LIMIT), (CHAIN, None))
                ),
            ]


def _random(edges: Sequence[tuple[int, int]], engine: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        store, _ = _opened(Path(folder), edges, engine)
        with store:
            goal = _far_apart(edges)
            size = store.execute('SELECT count(*) FROM "reach.rows"').fetchone()[0]
            return [
                Figure(
                    f"why, {engine}, {size:,} facts, {limit:,} proofs",
                    _why(store, *goal, limit),
                    "CPU s",
                    bar,
                    "our limit",
                )
                for limit, bar in ((1, LIMIT), (10, LIMIT), (1000, None))
            ]


def _far_apart(edges: Edges) -> tuple[int, int]:
    """Node 0 and the last node found from it, breadth first."""
    after: dict[int, list[int]] = {}
    for a, b in edges:
        after.setdefault(a, []).append(b)
    found = dict.fromkeys([0])
    for node in (queue := [0]):
        fresh = [one for one in after.get(node, ()) if one not in found]
        found |= dict.fromkeys(fresh)
        queue += fresh
    return 0, queue[-1]


def _opened(folder: Path, edges: Edges, engine: str = "sqlite") -> tuple[Store, float]:
    """The store of the closure of some edges, and the CPU seconds of its evaluation."""
    (folder / "edges.csv").write_text("a,b\n" + "".join(f"{a},{b}\n" for a, b in edges), encoding="utf-8")
    spec = folder / "graph.nesy"
    spec.write_text(SPEC.format(engine=engine), encoding="utf-8")
    checked = check_spec(spec)
    assert checked.spec is not None, [one.message for one in checked.diagnostics]
    (kb,) = checked.spec.kbs
    store = open_store(folder / "graph.db", config.Kb.model_validate(encode(kb)), emit_program(kb).to_json())
    sync_source(store, {0: folder / "edges.csv"})
    return store, cpu(lambda: evaluate(store), repeats=1)


def _why(store: Store, first: Any, last: Any, limit: int) -> float:
    def explain() -> None:
        assert why(store, "reach", (str(first), str(last)), limit=limit)["holds"]

    return cpu(explain)
