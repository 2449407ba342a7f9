"""Search by meaning over many vectors: the scan beside the graph, on the same rows.

Vectors of 384 numbers lie in topics of some fifty, as texts do. Times are CPU time of one thread.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.tables import Figure

VECTORS = int(os.environ.get("NESYC_BENCH_VECTORS", "200000"))
DIM, TOPIC, QUESTIONS, TOP, DEPTH = 384, 50, 200, 5, 64
SPEC = f"""nesy 1
embedder mini {{ base = local("model"), dim = {DIM} }}
kb big {{
  relation lesson(id: int, body: text, vec: vector({DIM}) = embed(mini, body)) {{ key (id), nearest (vec, cosine) }}
  facts lesson from csv("lesson.csv")
}}
"""


class Topics:
    """The vector of a text `NUMBER`: near that of its topic."""

    identity = "topics"

    def __init__(self, count: int) -> None:
        self._places = np.random.default_rng(0).standard_normal((count // TOPIC + 1, DIM)).astype(np.float32)

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        made = np.empty((len(texts), DIM), dtype=np.float32)
        for place, text in enumerate(texts):
            number = int(text)
            spread = np.random.default_rng(number).standard_normal(DIM).astype(np.float32)
            made[place] = self._places[number % len(self._places)] + 0.7 * spread
        return made


def run() -> list[Figure]:
    """NESYC_BENCH_VECTORS: another number of vectors."""
    from nesyc.cli.session import open_build
    from nesyc_runtime import config
    from nesyc_runtime.kb.open import open_kb
    from nesyc_runtime.kb.search.near import NearIndex
    from nesyc_runtime.kb.search.vectors import VectorIndex, embed_missing

    target = config.NearestTarget(relation="lesson", column="vec")
    embedder = Topics(VECTORS)
    questions = [str(VECTORS + number) for number in range(QUESTIONS)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nesyc.yaml").touch()
        (folder / "big.nesy").write_text(SPEC)
        (folder / "lesson.csv").write_text("id,body\n" + "".join(f"{n},{n}\n" for n in range(VECTORS)))
        build, project = open_build(folder / "big.nesy", None, None, {})
        with open_kb(build, project, build.spec.kbs[0]) as store:
            embed_missing(store, target, embedder)
            scan, read = _timed(lambda: VectorIndex(store, target, embedder))
            graph, made = _timed(lambda: NearIndex(store, target, embedder))
            _, again = _timed(lambda: NearIndex(store, target, embedder))
            wanted, slow = _asked(scan, questions)
            found, quick = _asked(graph, questions)
            size = sum(file.stat().st_size for file in folder.glob("*.usearch*"))
    shared = statistics.mean(len(set(a) & set(b)) / TOP for a, b in zip(found, wanted, strict=True))
    return [
        Figure(f"read {VECTORS} vectors to scan them", read, "CPU s"),
        Figure("make the graph", made, "CPU s"),
        Figure("open the graph again", 1000 * again, "CPU ms"),
        Figure("a question, p95", 1000 * quick, "CPU ms", 1000 * slow, "the scan"),
        Figure("top 5 shared with the scan", 100 * shared, "%", 95.0, "wanted at least"),
        Figure("the graph's files", size / 2**20, "MiB", VECTORS * DIM * 4 / 2**20, "the vectors themselves"),
    ]


def _timed(make: Any) -> tuple[Any, float]:
    start = time.process_time()
    return make(), time.process_time() - start


def _asked(index: Any, questions: Sequence[str]) -> tuple[list[list[int]], float]:
    """The rows that come first, and the 95th percentile of the time."""
    found, times = [], []
    for question in questions:
        start = time.process_time()
        found.append([row for _, row, _ in next(index.search_many([question], DEPTH)[0])[:TOP]])
        times.append(time.process_time() - start)
    return found, statistics.quantiles(times, n=20)[-1]
