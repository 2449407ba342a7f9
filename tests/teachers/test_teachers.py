"""Recorded and program teachers, the store, and who stands in for whom."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.ask import ask_all
from nesyc_runtime.teachers.base import Answer, Dropped, Request
from nesyc_runtime.teachers.open import Teachers
from nesyc_runtime.teachers.program import ProgramTeacher
from nesyc_runtime.teachers.recorded import RecordedTeacher
from nesyc_runtime.teachers.store import AnswerStore

PLACE = {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2}


def request(row: dict[str, Any], index: int = 0, **more: Any) -> Request:
    return Request("sample", "t", f"prompt {row}", row, row, index=index, **more)


def recorded(folder: Path) -> RecordedTeacher:
    path = config.Path(root="", pattern="rec.jsonl")
    endpoint = config.RecordedEndpoint(path=path, join=("task", "index"), text="rationale")
    return RecordedTeacher("rec", endpoint, Project(folder))


def test_recorded_answers_are_joined_and_missing_ones_counted(tmp_path: Path) -> None:
    records = [
        {"task": "a", "index": 0, "rationale": "first"},
        {"task": "a", "index": 0, "rationale": "second"},
        {"task": "b", "index": 1, "rationale": "other"},
    ]
    (tmp_path / "rec.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    rows = [
        request({"task": "a", "index": 0}),
        request({"task": "a", "index": 0}, 1),
        request({"task": "a", "index": 0}, 2),
        request({"task": "b", "index": 0}),
        request({"task": "b", "index": 1}),
    ]
    with AnswerStore(tmp_path / "a.db") as store:
        asked = ask_all(recorded(tmp_path), rows, store)
        assert store.count() == 0
    assert asked.answers == (
        Answer("first"),
        Answer("second"),
        Dropped("missing"),
        Dropped("missing"),
        Answer("other"),
    )
    assert (asked.calls, asked.tokens, asked.usd) == (0, 0, 0.0)


def test_a_join_field_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "rec.jsonl").write_text('{"task": "a", "rationale": "x"}\n')
    with AnswerStore(tmp_path / "a.db") as store, pytest.raises(UserError, match="join field `index`"):
        ask_all(recorded(tmp_path), [request({"task": "a", "index": 0})], store)


PROGRAM = """
calls = []
def teach(request):
    calls.append(request)
    with open(CALLS, "a") as file:
        file.write("x")
    if request["index"] == 2:
        return ""
    return f"{request['kind']} {request['row']['x']} {request['index']} {request['gold']}"
"""


def program(folder: Path, text: str = PROGRAM) -> ProgramTeacher:
    (folder / "teach.py").write_text(f"CALLS = {str(folder / 'calls')!r}\n{text}")
    return ProgramTeacher("prog", config.ProgramEndpoint(target="teach:teach"), Project(folder))


def test_a_program_teaches_and_each_call_is_made_once(tmp_path: Path) -> None:
    rows = [request({"x": x}, index, gold={"answer": x}) for x in (1, 2) for index in (0, 1, 2)]
    with AnswerStore(tmp_path / "a.db") as store:
        first = ask_all(program(tmp_path), rows, store)
        second = ask_all(program(tmp_path), rows, store)
    assert first == second
    assert first.answers[1] == Answer("sample 1 1 {'answer': 1}")
    assert first.answers[2] == Dropped("empty")
    assert first.calls == 4
    assert (tmp_path / "calls").read_text() == "x" * (6 + 2)  # the empty ones were asked again


def test_a_changed_program_is_another_teacher(tmp_path: Path) -> None:
    before = program(tmp_path).identity
    assert program(tmp_path).identity == before
    assert program(tmp_path, PROGRAM + "# changed\n").identity != before


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise KeyError('x')", "failed at teach.py:3: KeyError"),
        ("raise SystemExit(0)", "failed at teach.py:3: SystemExit: 0"),
        ("return 3", "gave int, expected text"),
    ],
)
def test_a_program_that_fails(tmp_path: Path, body: str, said: str) -> None:
    teacher = program(tmp_path, f"def teach(request):\n    {body}\n")
    with AnswerStore(tmp_path / "a.db") as store, pytest.raises(UserError) as error:
        ask_all(teacher, [request({"x": 1})], store)
    assert said in error.value.message


def test_the_store_refuses_foreign_files(tmp_path: Path) -> None:
    (tmp_path / "noise.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(UserError, match="cannot be read"):
        AnswerStore(tmp_path / "noise.db")
    newer = sqlite3.connect(tmp_path / "newer.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(UserError, match="version 99"):
        AnswerStore(tmp_path / "newer.db")


def test_the_store_takes_any_text(tmp_path: Path) -> None:
    with AnswerStore(tmp_path / "a.db") as store:
        store.put("k", "t", Answer("a\x00b \ud800 '; DROP TABLE answers;--", (1, 2), 0.5))
        store.put("k", "t", Answer("another"))
    with AnswerStore(tmp_path / "a.db") as store:
        assert store.get_many(["k", "gone"]) == {
            "k": Answer("a\x00b ? '; DROP TABLE answers;--", (1, 2), 0.5)
        }


def teachers(folder: Path, env: dict[str, str], fallback: str | None) -> Teachers:
    common = {"price": None, "limits": {}, "system": None, "location": PLACE}
    server = {
        "kind": "vllm",
        "model": "m",
        "url": {"kind": "env", "name": "T_URL"},
        "key": None,
        "temperature": 0.0,
        "max_tokens": 8,
        "timeout": 1.0,
    }
    (folder / "teach.py").write_text("def teach(request):\n    return 'x'\n")
    declared = [
        {"name": "big", "endpoint": server, "fallback": fallback, **common},
        {
            "name": "small",
            "endpoint": {"kind": "program", "target": "teach:teach"},
            "fallback": None,
            **common,
        },
    ]
    sections = dict.fromkeys(
        (
            *("enums", "students", "embedders", "datasets", "tasks", "kbs"),
            *("retrieves", "pipelines", "answers", "evaluates", "tests"),
        ),
        (),
    )
    spec = config.Spec.model_validate(
        {"name": "s", "path": "s", "params": {}, "teachers": declared, **sections}
    )
    return Teachers(spec, Project(folder), env)


def test_a_fallback_stands_in_and_is_named(tmp_path: Path) -> None:
    opened = teachers(tmp_path, {}, "small")
    assert opened.get("big").name == "small"
    assert str(opened.substitutions["big"]) == (
        "teacher big is not set up (T_URL unset): small stands in for it"
    )
    there = teachers(tmp_path, {"T_URL": "http://localhost:1/v1"}, "small")
    assert there.get("big").name == "big"
    assert there.substitutions == {}


def test_without_a_fallback_the_variable_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="T_URL is not set") as error:
        teachers(tmp_path, {"T_URL": " "}, None).get("big")
    assert "export T_URL" in error.value.help
