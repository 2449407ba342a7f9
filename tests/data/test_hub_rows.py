"""`hf_dataset(...)`: several configurations, the field that names them, errors with a way out."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from nesyc_runtime import config
from nesyc_runtime.data.sources import read_records
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Project

ROWS = {"logic": [{"input": "p"}, {"input": "q"}], "dates": [{"input": "today"}], None: [{"input": "plain"}]}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A hub of three configurations stands in for the library; the calls it got."""
    calls: list[tuple[Any, ...]] = []

    def load_dataset(name: str, configuration: str | None, *, split: str, revision: str | None) -> Any:
        calls.append((name, configuration, split, revision))
        if configuration not in ROWS:
            raise ValueError("no such\x1b[31m configuration")
        return ROWS[configuration]

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return calls


def rows(project: Project, **more: Any) -> list[tuple[dict[str, Any], str]]:
    source = config.HubSource(name="org/set", split="test", **more)
    return [(dict(record.values), record.place) for record in read_records(source, project)]


def test_configurations_follow_one_another(asked: list[tuple[Any, ...]], tmp_path: Any) -> None:
    found = rows(Project(tmp_path), configs=("logic", "dates"), config_as="task", revision="abc")
    assert found == [
        ({"input": "p", "task": "logic"}, "org/set[logic, test][0]"),
        ({"input": "q", "task": "logic"}, "org/set[logic, test][1]"),
        ({"input": "today", "task": "dates"}, "org/set[dates, test][0]"),
    ]
    assert asked == [("org/set", "logic", "test", "abc"), ("org/set", "dates", "test", "abc")]


def test_no_configuration(asked: list[tuple[Any, ...]], tmp_path: Any) -> None:
    assert rows(Project(tmp_path)) == [({"input": "plain"}, "org/set[test][0]")]


def test_what_the_hub_refuses_is_the_users_error(asked: list[tuple[Any, ...]], tmp_path: Any) -> None:
    with pytest.raises(UserError, match=r"org/set\[other, test\] cannot be loaded") as caught:
        rows(Project(tmp_path), config="other")
    assert "\x1b" not in caught.value.message and "jsonl" in caught.value.help
