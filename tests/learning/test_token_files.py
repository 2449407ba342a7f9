"""Tokens kept on the disk: the same rows as made anew, and made anew where anything they depend on has changed."""

from __future__ import annotations

import ast
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_student import make_task

from nesyc_runtime.inference.formats import prompt_format
from nesyc_runtime.learning import encoding, token_files
from nesyc_runtime.learning.batches import Layout, step_batch
from nesyc_runtime.learning.characters import character_tokenizer
from nesyc_runtime.learning.encoding import encode_items
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.token_files import MappedIds, encoded_once
from nesyc_runtime.project import Project

TASK = make_task()
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{'long ' * n}{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3), "Count." if n % 2 else None)
    for n in range(1, 12)
]  # fmt: skip
TASKS: Any = ("augmented", "direct", "answer")
TEMPLATE = prompt_format(character_tokenizer())


def once(project: Project, rows: Any = ROWS, task: Any = TASK, tasks: Any = TASKS, **more: Any) -> Any:
    return encoded_once(
        project, task, rows, tasks, TEMPLATE, more.get("max_tokens", 60), more.get("kept", 1.0)
    )


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How often rows were cut into tokens."""
    calls: list[int] = []
    real = encoding.encode_items

    def counted(*arguments: Any) -> Any:
        calls.append(1)
        return real(*arguments)

    monkeypatch.setattr(encoding, "encode_items", counted)
    return calls


def test_the_same_rows_are_cut_once(tmp_path: Path, made: list[int]) -> None:
    wanted = encode_items(TASK, ROWS, TASKS, TEMPLATE, 60)
    project = Project(tmp_path)
    for _ in range(3):
        found = once(project)
        assert found == wanted and found.cut == wanted.cut
        assert all(isinstance(row.ids, MappedIds) for item in found.items for row in item)
    assert len(made) == 1
    rows = [row for item in found.items for row in item]
    assert isinstance(rows[0].ids._all, np.memmap)
    anew = [row for item in wanted.items for row in item]
    shares = dict.fromkeys(TASKS, 1.0)
    for packed in (False, True):
        one, other = (step_batch(each, shares, 0, Layout(packed, 300)) for each in (rows, anew))
        for a, b in zip(one.micro_batches, other.micro_batches, strict=True):
            assert a.ids.equal(b.ids) and a.labels.equal(b.labels) and a.weights.equal(b.weights)


def test_what_they_depend_on_makes_them_anew(tmp_path: Path, made: list[int]) -> None:
    project = Project(tmp_path)
    once(project)
    changed = [*ROWS[:-1], replace(ROWS[-1], answer="7")]
    for more in (
        {"rows": changed},
        {"task": make_task(prompt="Why {question}\n{retrieved}\nThink.")},
        {"tasks": ("direct",)},
        {"max_tokens": 50},
        {"kept": 0.5},
    ):
        before = len(made)
        once(project, **more)
        once(project, **more)
        assert len(made) == before + 1, more


@pytest.mark.parametrize("file", ["ids.npy", "rows.npy", "about.json"])
@pytest.mark.parametrize("damage", [b"", b"\x00" * 40, None])
def test_damaged_files_do_no_harm(file: str, damage: bytes | None, tmp_path: Path) -> None:
    project = Project(tmp_path)
    wanted = once(project)
    (place,) = (tmp_path / ".nesy" / "tokens").glob(f"*/{file}")
    held = place.read_bytes()
    place.write_bytes(held[: len(held) // 2] if damage is None else damage)
    assert once(project) == encode_items(TASK, ROWS, TASKS, TEMPLATE, 60)
    assert len(wanted.items) == len(ROWS) and place.read_bytes() == held


def test_without_a_project_nothing_is_kept() -> None:
    assert encoded_once(None, TASK, ROWS, TASKS, TEMPLATE, 60) == encode_items(
        TASK, ROWS, TASKS, TEMPLATE, 60
    )


# What the makers import and no id depends on: declarations, errors, verdicts, what a teacher told of tokens.
NO_MAKERS = {
    "nesyc_runtime.config",
    "nesyc_runtime.errors",
    "nesyc_runtime.expressions",
    "nesyc_runtime.hashing",
    "nesyc_runtime.kb.search.words",
    "nesyc_runtime.learning.stored",
    "nesyc_runtime.learning.token_bytes",
    "nesyc_runtime.teachers.likely",
}


def test_all_code_that_decides_ids_counts() -> None:
    makers = {module.__name__ for module in token_files.MAKERS}
    reached, waiting = set(), sorted(makers)
    while waiting:
        name = waiting.pop()
        if name not in reached and name not in NO_MAKERS:
            reached.add(name)
            waiting += imported_by(name)
    assert reached == makers


def imported_by(name: str) -> set[str]:
    """The project's modules that a module imports by name."""
    tree = ast.parse(Path(str(import_module(name).__file__)).read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("nesyc_runtime"):
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {one for one in below if find_spec_of(one)}
            found |= modules or {str(node.module)}
    return found


def find_spec_of(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
