"""The recorded answers of a real teacher, joined to the real rows they answer."""

from __future__ import annotations

from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.data.rows import Row
from nesyc_runtime.data.sources import read_records
from nesyc_runtime.data.splits import hash_part
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.ask import ask_all
from nesyc_runtime.teachers.base import Answer, Request
from nesyc_runtime.teachers.recorded import RecordedTeacher
from nesyc_runtime.teachers.store import AnswerStore


def test_every_row_of_bbh_has_its_answer(data_folder: Path, tmp_path: Path) -> None:
    project = Project(tmp_path, {"bench": data_folder})
    source = config.FileSource(
        format="json",
        path=config.Path(root="bench", pattern="bbh/*.json"),
        at="examples",
        file_as="task",
        index_as="index",
    )
    rows = [Row(str(i), record.values) for i, record in enumerate(read_records(source, project))]
    assert len(rows) == 4365
    endpoint = config.RecordedEndpoint(
        path=config.Path(root="bench", pattern="teacher/bbh_codex_cot.jsonl"),
        join=("task", "index"),
        text="rationale",
    )
    requests = [Request("sample", "bbh", str(row.values["input"]), {}, row.values) for row in rows]
    with AnswerStore(tmp_path / "answers.db") as store:
        asked = ask_all(RecordedTeacher("codex", endpoint, project), requests, store)
    assert all(isinstance(answer, Answer) for answer in asked.answers)
    first = asked.answers[0]
    assert isinstance(first, Answer) and first.text.startswith("Remember that (i) expressions")

    shares = {"train": 0.8, "dev": 0.1, "test": 0.1}
    parts = {
        name: list(
            hash_part(
                rows, config.HashSplitSource(source=source, by=("task", "input"), shares=shares, part=name)
            )
        )
        for name in shares
    }
    inputs = {
        name: {(row.values["task"], row.values["input"]) for row in part} for name, part in parts.items()
    }
    assert sum(len(part) for part in parts.values()) == 4365
    assert not inputs["train"] & inputs["test"] and not inputs["dev"] & inputs["test"]
    assert 350 < len(parts["test"]) < 520
    # the first hundred of a part are a sample of all tasks, not the first file
    assert len({row.values["task"] for row in parts["test"][:100]}) >= 15
