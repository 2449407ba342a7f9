"""specs/induce.nesy is what it says: it checks without a problem, and its teacher is right about people, not always about rules."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from nesyc.cli.rulebook import SourceRulebook
from nesyc.pipeline import check_spec

SPECS = Path(__file__).resolve().parent.parent.parent / "specs"


@pytest.fixture(scope="module")
def people() -> ModuleType:
    spec = importlib.util.spec_from_file_location("induce_people", SPECS / "induce" / "people.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_questions_are_right_and_no_family_is_in_two_parts(people: ModuleType) -> None:
    with (SPECS / "induce" / "parents.csv").open(encoding="utf-8", newline="") as file:
        parent = {(row["child"], row["parent"]): row["role"] for row in csv.DictReader(file)}
    parts = {part: list(people.items(1000, 1, part)) for part in ("train", "dev", "test")}
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 192, "dev": 48, "test": 80}
    for rows in parts.values():
        for row in rows:
            middle = next(m for c, m in parent if c == row["a"] and (m, row["b"]) in parent)
            assert row["label"] == f"grand{parent[middle, row['b']]}"
    assert len({row["id"] for rows in parts.values() for row in rows}) == 320


def test_it_checks_and_its_rules_are_what_the_teacher_says_of_them(
    people: ModuleType, tmp_path: Path
) -> None:
    shutil.copytree(SPECS / "induce", tmp_path / "induce", ignore=shutil.ignore_patterns("learned.nesy"))
    spec = Path(shutil.copy(SPECS / "induce.nesy", tmp_path))
    (tmp_path / "nesyc.yaml").touch()
    assert check_spec(spec).diagnostics == ()
    book = SourceRulebook(spec, None, {})
    problems = {name: book.tried("family", rule).problems for name, rule in people.GOOD.items()}
    assert problems == {"grandfather": "", "grandmother": ""}
    assert book.tried("family", people.FALSE).problems == "", "it compiles: only the data speaks against it"
    assert "E0402" in book.tried("family", people.UNSAFE).problems or "E0401" in book.tried("family", people.UNSAFE).problems  # fmt: skip
    assert "E0301" in book.tried("family", people.ILL_TYPED).problems
