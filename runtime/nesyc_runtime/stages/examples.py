"""Examples: rows of a split with the rationales a teacher gave for them, and what a student got wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nesyc_runtime.files import read_jsonl, write_jsonl


@dataclass(frozen=True, slots=True)
class Example:
    """`rationales` are the teacher's kept responses, distinct, in order; `wrong` the student's wrong one.

    A wrong response is never a target of training.
    """

    id: str
    row: Mapping[str, Any]
    rationales: tuple[str, ...] = ()
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What a stage did, as the results show it."""

    rows_in: int = 0
    kept: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    tokens: int = 0
    usd: float = 0.0


def union(lists: Iterable[Iterable[Example]]) -> list[Example]:
    """Each item once, in order of first appearance, the rationales and the wrong response merged."""
    merged: dict[str, Example] = {}
    for examples in lists:
        for example in examples:
            known = merged.get(example.id)
            merged[example.id] = example if known is None else _merge(known, example)
    return list(merged.values())


def _merge(first: Example, second: Example) -> Example:
    rationales = tuple(dict.fromkeys((*first.rationales, *second.rationales)))
    return Example(first.id, first.row, rationales, first.wrong if first.wrong is not None else second.wrong)


def write_examples(file: Path, examples: Iterable[Example]) -> None:
    write_jsonl(file, (asdict(example) for example in examples))


def read_examples(file: Path) -> list[Example]:
    return [
        Example(value["id"], value["row"], tuple(value["rationales"]), value["wrong"])
        for value in read_jsonl(file)
    ]
