"""The world of this project: a shop where every product stands on a shelf, and a teacher that knows it.

Replace `items` by your data (`split train = jsonl("data/train.jsonl")`) and the teacher by a server
(`openai_compatible(...)`): the rest of the spec stays as it is.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

TAUGHT = 400  # products in the training questions; the test asks about those in facts/stands_on.csv
QUESTIONS = ("Where is the {}?", "On which shelf is the {}?", "I am looking for the {}.")


def items(n: int, seed: int, part: str) -> Iterator[dict[str, Any]]:
    """At most `n` questions in an order that `seed` fixes: `train` about the taught products, `test` about
    those that only the knowledge base knows.
    """
    shelves = _taught() if part == "train" else _known()
    asked = [(name, form) for name in shelves for form in QUESTIONS]
    asked.sort(key=lambda pair: _number("order", seed, *pair))
    for name, form in asked[:n]:
        number = QUESTIONS.index(form)
        yield {
            "id": f"{name}-{number}",
            "product": name,
            "question": form.format(name),
            "label": shelves[name],
        }


def teach(request: Mapping[str, Any]) -> str:
    """The teacher: reasoning and answer for a question; for an error, an entry for the knowledge base."""
    name, question = request["row"]["product"], request["row"]["question"]
    shelf = (_taught() | _known())[name]
    if request["kind"] == "sample":
        return f"It stands on shelf {shelf}. = {shelf}"
    # An entry names its question: the entries of one product are then several, and a training question is
    # answered with that of another, never with its own.
    entry = {
        "summary": f'Asked "{question}", look up where the {name} stands.',
        "body": f"The {name} stands on shelf {shelf}.",
    }
    return json.dumps(entry)


@cache
def _taught() -> dict[str, int]:
    parts = itertools.product(
        "b br d dr f g k m n p s t v z".split(), "aeiou", "lb lk mp nd rb rk st x".split()
    )
    names = sorted(("".join(name) for name in parts), key=lambda name: _number("name", name))
    known = _known()
    taught = [name for name in names if name not in known][:TAUGHT]
    return {name: _number("shelf", name) % 9 + 1 for name in taught}


@cache
def _known() -> dict[str, int]:
    facts = Path(__file__).with_name("facts")
    with (facts / "stands_on.csv").open(encoding="utf-8", newline="") as file:
        shelves = {row["product"]: int(row["shelf"]) for row in csv.DictReader(file)}
    with (facts / "beside.csv").open(encoding="utf-8", newline="") as file:
        return shelves | {row["product"]: shelves[row["other"]] for row in csv.DictReader(file)}


def _number(*parts: object) -> int:
    """A number that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big")
