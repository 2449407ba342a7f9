"""The world of specs/induce.nesy: families of three generations, questions about them, and a teacher of rules.

The teacher is no oracle: some of its rules are false, unsafe or ill-typed, as those of a language model are.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FAMILIES = {"train": range(24), "dev": range(24, 30), "test": range(30, 40)}
GOOD = {
    "grandfather": "rule grandfather: kin(a, c, .grandfather) :- parent(a, b, _), parent(b, c, .father);",
    "grandmother": "rule grandmother: kin(x, z, .grandmother) :- parent(x, y, _), parent(y, z, .mother);",
}
FALSE = "rule any_parent: kin(a, c, .grandfather) :- parent(a, b, _), parent(b, c, _);"
UNSAFE = "rule unsafe: kin(a, c, .grandmother) :- parent(a, b, _), not parent(c, b, _);"
ILL_TYPED = "rule typed: kin(a, c, grandmother) :- parent(a, b), parent(b, c, 1);"


def items(n: int, seed: int, part: str) -> Iterator[dict[str, Any]]:
    """At most `n` questions about the grandparents in the families of a part."""
    parents = _parents()
    children = [child for child in parents if child.startswith("c")]
    found = 0
    for child in children:
        if int(child[1:3]) not in FAMILIES[part]:
            continue
        for middle, _ in parents[child]:
            for old, role in parents.get(middle, ()):
                if found < n:
                    yield {"id": f"{child}-{old}", "a": child, "b": old, "label": f"grand{role}"}
                found += 1


def teach(request: Mapping[str, Any]) -> str:
    """Answers a question from the table of parents, and reads from an error which rule is missing."""
    row = request["row"]
    a, b = row["a"], row["b"]
    label = next(
        f"grand{role}" for middle, _ in _parents()[a] for old, role in _parents().get(middle, ()) if old == b
    )
    if request["kind"] == "sample":
        return f"answer: {label}"
    if request["problem"]:
        return GOOD[label]
    bad = {"a": FALSE, "b": UNSAFE if label == "grandmother" else ILL_TYPED}[a[-1]]
    return f"A rule is missing:\n```nesy\n{GOOD[label]}\n{bad}\n```"


def _parents() -> dict[str, list[tuple[str, str]]]:
    with (Path(__file__).parent / "parents.csv").open(encoding="utf-8", newline="") as file:
        found: dict[str, list[tuple[str, str]]] = {}
        for row in csv.DictReader(file):
            found.setdefault(row["child"], []).append((row["parent"], row["role"]))
        return found
