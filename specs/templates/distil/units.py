"""The world of this project: invented units of weight, questions about them, and a teacher that knows them.

Every unit weighs 2 to 9 grams, whatever its name: who was never told can only guess. 300 units stand in the
training questions. 100 more are known to the knowledge base only: 70 were weighed, 30 are defined as
multiples of those.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any

TAUGHT, WEIGHED, DEFINED = 300, 70, 30
COUNTS = range(2, 10)
TRAIN_COUNTS, TEST_COUNTS = 4, 3  # questions for each unit

STARTS = "br dr fl gl kl kr pl pr tr v z zw".split()
MIDDLES = "a e i o u".split()
ENDS = "lb lf lk lm lp mb mp rb rd rf rg rk rm rp".split()
WORDS = frozenset("plumb plump primp tramp tromp trump vamp".split())  # mean something already


def items(n: int, seed: int, part: str) -> Iterator[dict[str, Any]]:
    """At most `n` questions of a part, in an order that `seed` fixes: `train` and `seen` ask about the taught
    units, with different counts, `test` about the units that only the knowledge base knows.
    """
    taught = part in ("train", "seen")
    units = [unit for unit in world() if (unit in taught_units()) == taught]
    chosen = [(unit, count) for unit in units for count in _counts(unit, part)]
    chosen.sort(key=lambda pair: _number("order", seed, *pair))
    for unit, count in chosen[:n]:
        yield {
            "id": f"{unit}-{count}",
            "unit": unit,
            "count": count,
            "question": f"How many grams are {count} {unit}s?",
            "label": count * world()[unit],
        }


def teach(request: Mapping[str, Any]) -> str:
    """The teacher. Asked a question it writes its reasoning; shown an error it writes an entry for the
    knowledge base: what the student should not have concluded, and the fact it lacked.
    """
    unit, count = request["row"]["unit"], request["row"]["count"]
    grams = world()[unit]
    if request["kind"] == "sample":
        return f"{grams} grams each: {count} x {grams} = {count * grams}."
    return json.dumps(
        {
            "summary": f"Look up what a {unit} weighs; {count} {unit}s are not what the name suggests.",
            "body": f"{unit}s are {grams} grams each.",
        }
    )


def world() -> dict[str, int]:
    """Grams by unit: the taught ones, the weighed ones, the defined ones."""
    return _WORLD


def taught_units() -> frozenset[str]:
    return frozenset(list(_WORLD)[:TAUGHT])


def definitions() -> dict[str, tuple[int, str]]:
    """Of each defined unit: how many of which other unit it is."""
    return _DEFINITIONS


def _make_world() -> tuple[dict[str, int], dict[str, tuple[int, str]]]:
    made = ("".join(parts) for parts in itertools.product(STARTS, MIDDLES, ENDS))
    others = {name for name in made if name not in WORDS and name not in ("zorp", "brank")}
    names = sorted(others, key=lambda name: _number("name", name))
    names = [*names[:TAUGHT], "zorp", *names[TAUGHT : TAUGHT + WEIGHED + DEFINED - 2], "brank"]
    grams = {name: 2 + _number("grams", name) % 8 for name in names[: TAUGHT + WEIGHED]}
    grams["zorp"] = 4
    small = [name for name in names[TAUGHT : TAUGHT + WEIGHED] if grams[name] <= 4]
    defined = {}
    for name in names[TAUGHT + WEIGHED :]:
        base = "zorp" if name == "brank" else small[_number("base", name) % len(small)]
        times = 2 + _number("times", name) % (9 // grams[base] - 1)
        defined[name] = (times, base)
        grams[name] = times * grams[base]
    return grams, defined


def _counts(unit: str, part: str) -> list[int]:
    shuffled = sorted(COUNTS, key=lambda count: _number("count", unit, count))
    if part == "seen":
        return shuffled[TRAIN_COUNTS : TRAIN_COUNTS + 1]
    return shuffled[: TRAIN_COUNTS if part == "train" else TEST_COUNTS]


def _number(*parts: object) -> int:
    """A number that looks random and is the same everywhere."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:8], "big")


_WORLD, _DEFINITIONS = _make_world()
