"""Retrieval from a KB of 100,000 entries, beside bm25s and tantivy; how near it comes to exact BM25 over all words.

Entries and questions are made from a seed: words fall off as Zipf's law has them, near half of all words are English
stop words, and a question is five words and three stop words of one entry. Times are CPU time of all threads, each
question asked alone and for the first time.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.tables import Figure
from nesyc_runtime.kb.search.words import STOP_WORDS, words

ENTRIES = int(os.environ.get("NESYC_BENCH_ENTRIES", "100000"))
QUESTIONS, TOP = 300, 5
VOCABULARY, STOPPED = 30_000, 0.45
DIM = 384
SPEC = f"""nesy 1
embedder mini {{ base = local("model"), dim = {DIM} }}
dataset asked {{ row (id: text key, question: text, answer: text)  split all = jsonl("asked.jsonl") }}
task answer on asked {{
  input (question: text)  output (answer: text)
  prompt = \"\"\"
    {{retrieved}}
    {{question}}
    \"\"\"
  parse answer = last_match("(.*)") as text
}}
kb big {{
  relation lesson(id: int, body: text, vec: vector({DIM}) = embed(mini, body)) {{
    key (id)
    fulltext (body)
    nearest (vec, cosine)
  }}
  facts lesson from csv("lesson.csv")
}}
retrieve words for answer from big {{ query = question, search = fulltext(lesson.body), take = {TOP} }}
retrieve both  for answer from big {{
  query  = question
  search = hybrid(fulltext = lesson.body, nearest = lesson.vec)
  take   = {TOP}
}}
"""


def run() -> list[Figure]:
    """NESYC_BENCH_ENTRIES: another number of entries."""
    texts = list(_entries(ENTRIES))
    questions = _questions(texts)
    with tempfile.TemporaryDirectory() as name:
        return list(_measured(Path(name), texts, questions))


def _measured(folder: Path, texts: Sequence[str], questions: Sequence[str]) -> Iterator[Figure]:
    from nesyc.cli.session import open_build
    from nesyc_runtime.kb.open import open_kb
    from nesyc_runtime.kb.search.retrieval import Retriever

    (folder / "nesyc.yaml").touch()
    (folder / "asked.jsonl").touch()
    (folder / "big.nesy").write_text(SPEC)
    lines = (f"{number},{text}\n" for number, text in enumerate(texts, 1))
    (folder / "lesson.csv").write_text("id,body\n" + "".join(lines))
    build, project = open_build(folder / "big.nesy", None, None, {})
    kb, blocks = build.spec.kbs[0], {block.name: block for block in build.spec.retrieves}
    open_kb(build, project, kb).close()
    opened = _median(lambda: open_kb(build, project, kb).close(), 5)
    yield Figure("open the KB", opened * 1000, "CPU ms", 50.0, "wanted at most")
    with open_kb(build, project, kb) as store:
        retriever = Retriever(store, blocks["words"])
        yield Figure("first question, full text", _once(retriever, questions[0]) * 1000, "CPU ms")
        found, times = _asked(lambda one: _keys(retriever, one), questions)
        value = _quantile(times, 0.95) * 1000
        yield Figure(f"full text, {len(texts)} entries, p95", value, "CPU ms", 15.0, "wanted at most")
        peers = {"bm25s": _bm25s(texts), "tantivy": _tantivy(texts)}
        for name, search in peers.items():
            _, other = _asked(search, questions)
            yield from _both(f"full text, {len(texts)} entries", times, other, name)
        exact = _exact(texts)
        shared = [
            len(set(one) & set(exact(question))) / TOP for one, question in zip(found, questions, strict=True)
        ]
        yield Figure("top 5 shared with exact BM25 over all words", 100 * statistics.mean(shared), "%", 95.0, "wanted at least")  # fmt: skip
        both = Retriever(store, blocks["both"], embedder=lambda _: _Hashed())
        yield Figure("embed and read the entries (hashed, no model)", _once(both, questions[0]), "CPU s")
        _, times = _asked(lambda one: _keys(both, one), questions)
        value = _quantile(times, 0.95) * 1000
        yield Figure("hybrid, embedding apart, p95", value, "CPU ms", 40.0, "wanted at most")


def _both(what: str, times: Sequence[float], peer: Sequence[float], name: str) -> Iterator[Figure]:
    for label, share in (("p50", 0.5), ("p95", 0.95)):
        value, other = _quantile(times, share) * 1000, _quantile(peer, share) * 1000
        yield Figure(f"{what}, {label}", value, "CPU ms", other, name)


class _Hashed:
    """A vector for each text from the hashes of its words: as large as a model's, and made at once."""

    identity = "hashed"

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        made = np.zeros((len(texts), DIM), dtype=np.float32)
        for number, text in enumerate(texts):
            for word in words(text):
                if word not in STOP_WORDS:
                    made[number] += _direction(word)
        return made


_DIRECTIONS: dict[str, Any] = {}


def _direction(word: str) -> Any:
    if word not in _DIRECTIONS:
        seed = int.from_bytes(word.encode()[:8], "big")
        _DIRECTIONS[word] = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return _DIRECTIONS[word]


def _entries(count: int) -> Iterator[str]:
    draw = np.random.default_rng(1)
    stop = sorted(STOP_WORDS)
    telling = [f"word{number:x}" for number in range(VOCABULARY)]
    rare = np.cumsum(1 / (np.arange(1, VOCABULARY + 1) + 20) ** 1.05)
    often = np.cumsum(1 / np.arange(1, len(stop) + 1))
    for _ in range(count):
        length = int(draw.integers(15, 60))
        stopped = draw.random(length) < STOPPED
        some = np.searchsorted(rare, draw.random(length) * rare[-1])
        others = np.searchsorted(often, draw.random(length) * often[-1])
        yield " ".join(
            stop[o] if is_stop else telling[t] for is_stop, o, t in zip(stopped, others, some, strict=True)
        )


def _questions(texts: Sequence[str]) -> list[str]:
    draw = np.random.default_rng(2)
    questions = []
    for number in draw.integers(0, len(texts), QUESTIONS):
        telling = sorted({word for word in texts[number].split() if word not in STOP_WORDS})
        stopped = [word for word in texts[number].split() if word in STOP_WORDS]
        questions.append(" ".join([*draw.choice(telling, min(5, len(telling)), replace=False), *stopped[:3]]))
    return questions


def _keys(retriever: Any, question: str) -> list[int]:
    return [hit["key"][0] - 1 for hit in retriever.retrieve_many([question])[0].hits]


def _once(retriever: Any, question: str) -> float:
    start = time.process_time()
    _keys(retriever, question)
    return time.process_time() - start


def _asked(search: Callable[[str], Any], questions: Sequence[str]) -> tuple[list[Any], list[float]]:
    found, times = [], []
    for question in questions:
        start = time.process_time()
        found.append(search(question))
        times.append(time.process_time() - start)
    return found, times


def _bm25s(texts: Sequence[str]) -> Callable[[str], Any]:
    import bm25s

    index = bm25s.BM25(method="lucene")
    index.index(bm25s.tokenize(list(texts), stopwords=None, show_progress=False), show_progress=False)

    def search(question: str) -> Any:
        asked = bm25s.tokenize(question, stopwords=None, show_progress=False)
        return index.retrieve(asked, k=TOP, show_progress=False)

    return search


def _tantivy(texts: Sequence[str]) -> Callable[[str], Any]:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", stored=False)
    builder.add_unsigned_field("id", stored=True)
    index = tantivy.Index(builder.build())
    writer = index.writer()
    for number, text in enumerate(texts):
        writer.add_document(tantivy.Document(body=text, id=number))
    writer.commit()
    index.reload()
    searcher = index.searcher()
    return lambda question: searcher.search(index.parse_query(question, ["body"]), TOP).hits


def _exact(texts: Sequence[str]) -> Callable[[str], list[int]]:
    """BM25 by its definition over all words of a question, ties by key."""
    split = [words(text) for text in texts]
    lengths = np.array([len(found) for found in split])
    places: dict[str, dict[int, int]] = {}
    for number, found in enumerate(split):
        for word in found:
            times = places.setdefault(word, {})
            times[number] = times.get(number, 0) + 1
    damping = 1.2 * (0.25 + 0.75 * lengths / lengths.mean())

    def search(question: str) -> list[int]:
        scores = np.zeros(len(texts))
        for word in dict.fromkeys(words(question)):
            found = places.get(word, {})
            rows, times = np.array(list(found)), np.array(list(found.values()))
            rarity = np.log1p((len(texts) - len(rows) + 0.5) / (len(rows) + 0.5))
            scores[rows] += rarity * times * 2.2 / (times + damping[rows])
        return [int(place) for place in np.argsort(-np.round(scores, 6), kind="stable")[:TOP]]

    return search


def _median(work: Callable[[], object], repeats: int) -> float:
    _, times = _asked(lambda _: work(), ["" for _ in itertools.repeat(0, repeats)])
    return statistics.median(times)


def _quantile(times: Sequence[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]
