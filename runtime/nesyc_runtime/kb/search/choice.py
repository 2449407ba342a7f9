"""Which of the ranked rows a question is given: as many as asked for, within the budget, not twice the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.search.merging import Scored
from nesyc_runtime.kb.search.retrieval_rows import KbRow
from nesyc_runtime.kb.storage.values import shown


@dataclass(frozen=True, slots=True)
class Retrieved:
    """`hits` and `facts` are the objects of the `retrieve` contract; `text` what stands in the prompt, or None."""

    text: str | None
    hits: tuple[dict[str, Any], ...] = ()
    facts: tuple[dict[str, Any], ...] = ()


def choose(
    retrieve: config.Retrieve, ranked: Iterator[Scored], count_tokens: Callable[[str], int]
) -> Retrieved:
    """The first `take` that fit the budget; of rows that say the same, the first."""
    left = retrieve.budget
    lines: dict[str, tuple[str, Scored]] = {}
    for document, score in ranked:
        text = document.line
        if not text or text in lines:
            continue
        line = f"[{citation(document.row)}] {text}" if retrieve.cite else text
        if left is not None:
            cost = count_tokens(line)
            if cost > left:
                continue
            left -= cost
        lines[text] = (line, (document, score))
        if len(lines) == retrieve.take:
            break
    hits = tuple(_hit(scored) for _, scored in lines.values())
    facts = tuple(
        document.row.fact() for _, (document, _) in lines.values() if document.row.sentence is not None
    )
    return Retrieved("\n".join(line for line, _ in lines.values()) or None, hits, facts)


def approximate_tokens(text: str) -> int:
    """How many tokens a text is about: four bytes each, as usual for English, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def citation(row: KbRow) -> str:
    """How a prompt names an entry: its relation and key, `lesson 3`."""
    return " ".join([row.relation, ", ".join(shown(value) for value in row.key)])


def _hit(scored: Scored) -> dict[str, Any]:
    document, score = scored
    return {
        "relation": document.row.relation,
        "key": list(document.row.key),
        "score": score,
        "text": document.line,
    }
