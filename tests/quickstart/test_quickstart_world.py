"""The quickstart is what it says: disjoint parts, facts that are the world's, a teacher that is right."""

from __future__ import annotations

import csv
import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

SPECS = Path(__file__).resolve().parent.parent.parent / "specs"


@pytest.fixture(scope="module")
def units() -> ModuleType:
    spec = importlib.util.spec_from_file_location("quickstart_units", SPECS / "quickstart" / "units.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table(name: str) -> list[dict[str, str]]:
    with (SPECS / "quickstart" / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_parts_do_not_touch(units: ModuleType) -> None:
    parts = {part: list(units.items(10_000, 1, part)) for part in ("train", "seen", "test")}
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 1200, "seen": 300, "test": 300}
    names = {part: {row["unit"] for row in rows} for part, rows in parts.items()}
    assert names["train"] == names["seen"] and len(names["train"]) == 300
    assert not names["train"] & names["test"] and len(names["test"]) == 100
    questions = [row["question"] for rows in parts.values() for row in rows]
    assert len(questions) == len(set(questions))


def test_items_are_fixed_by_the_seed(units: ModuleType) -> None:
    first = list(units.items(50, 1, "train"))
    assert first == list(units.items(50, 1, "train"))
    assert first == list(units.items(80, 1, "train"))[:50]
    assert first != list(units.items(50, 2, "train"))


def test_what_the_person_wrote_is_true_of_the_world_and_about_test_units_only(units: ModuleType) -> None:
    text = (SPECS / "quickstart.nesy").read_text(encoding="utf-8")
    weighs = {row["unit"]: int(row["grams"]) for row in table("weighs.csv")}
    weighs |= {
        unit: int(grams) for unit, grams in re.findall(r'(?m)^  facts weighs +\{ \("(\w+)", (\d+)\) \}', text)
    }
    made = {row["unit"]: (int(row["times"]), row["of"]) for row in table("made_of.csv")}
    made |= {
        unit: (int(times), of)
        for unit, times, of in re.findall(r'(?m)^  facts made_of +\{ \("(\w+)", (\d+), "(\w+)"\) \}', text)
    }
    world, taught = units.world(), units.taught_units()
    assert made == units.definitions()
    assert weighs == {unit: grams for unit, grams in world.items() if unit not in taught and unit not in made}
    assert all(times * weighs[of] == world[unit] for unit, (times, of) in made.items())
    assert set(world.values()) == set(range(2, 10))


def test_the_teacher_is_right_and_its_entries_are_general(units: ModuleType) -> None:
    for row in units.items(10_000, 1, "train"):
        sampled = units.teach({"kind": "sample", "row": row})
        assert sampled.endswith(f"= {row['label']}.")
        entry = json.loads(units.teach({"kind": "extract", "row": row}))
        assert entry["body"] == f"{row['unit']}s are {row['label'] // row['count']} grams each."
        if row["label"] not in (row["count"], row["label"] // row["count"]):
            assert not re.search(rf"\b{row['label']}\b", entry["body"])


def test_names_are_plain(units: ModuleType) -> None:
    assert all(re.fullmatch(r"[a-z]{4,6}", name) and not name.endswith("s") for name in units.world())
