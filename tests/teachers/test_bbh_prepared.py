"""What specs/bbh/prepare.py makes of the benchmark: the same items and verdicts, in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPLIT_TITLE = (
    "movie_recommendation",
    163,
)  # the benchmark's options hold "Monsters, Inc" in two, its target in one
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def prepared(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    out = tmp_path_factory.mktemp("bbh")
    subprocess.run([sys.executable, ROOT / "specs" / "bbh" / "prepare.py", data_folder, out], check=True)
    lines = {name: (out / f"{name}.jsonl").read_text(encoding="utf-8") for name in ("items", "answers")}
    return {name: [json.loads(line) for line in text.splitlines()] for name, text in lines.items()}


def test_an_item_asks_for_one_of_the_options_it_lists(prepared: dict[str, list[dict[str, Any]]]) -> None:
    items = prepared["items"]
    assert len(items) == 1_000
    for item in items:
        _, _, listed = item["input"].partition("\nOptions:\n")
        options = [line.removeprefix("- ") for line in listed.splitlines()]
        assert all(line.startswith("- ") for line in listed.splitlines())
        if (item["task"], item["index"]) != SPLIT_TITLE:
            assert item["target"] in options if options else len(item["target"]) <= 3
        assert "(A)" not in item["input"]


def test_the_teacher_is_right_about_the_items_it_was_right_about(
    prepared: dict[str, list[dict[str, Any]]], data_folder: Path
) -> None:
    told = (data_folder / "teacher" / "bbh_codex_cot.jsonl").read_text(encoding="utf-8")
    exact = {(one["task"], one["index"]): one["exact_match"] for one in map(json.loads, told.splitlines())}
    targets = {(one["task"], one["index"]): one["target"] for one in prepared["items"]}
    assert len(prepared["answers"]) == len(targets)
    for answer in prepared["answers"]:
        place = answer["task"], answer["index"]
        said = answer["rationale"].rpartition("the answer is ")[2].removesuffix(".")
        assert (said == targets[place].removesuffix(".")) == exact[place], (said, targets[place])
