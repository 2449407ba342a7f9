"""`nesyc profile` and `query --explain-plan`: what a rule costs, and how a query is answered."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app

LENGTH = 30
SPEC = """nesy 1
kb chain {
  relation e(a: text, b: text)
  derived tc(a: text, b: text)
  derived ends(a: text)
  derived unused(a: text)
  facts e from csv("edges.csv")
  rule one:    tc(x, y) :- e(x, y);
  rule more:   tc(x, z) :- tc(x, y), e(y, z);
  rule ends:   ends(x) :- e(_, x), not e(x, _);
  rule unused: unused(x) :- e(x, x);
}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "chain.nesy").write_text(SPEC, encoding="utf-8")
    edges = "".join(f"n{i},n{i + 1}\n" for i in range(LENGTH))
    (tmp_path / "edges.csv").write_text(f"a,b\n{edges}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, [*arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def told(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


def test_every_rule_with_its_rounds_and_rows_the_slowest_first(project: Path) -> None:
    found = told("profile")
    assert {"v", "kb", "engine", "seconds", "rounds", "rules", "other", "truncated"} <= found.keys()
    rules = {one["rule"]: one for one in found["rules"]}
    assert rules["one"]["rows"] == LENGTH and rules["one"]["rounds"] == 1
    assert rules["more"]["rows"] == LENGTH * (LENGTH + 1) // 2 - LENGTH
    assert rules["more"]["rounds"] == LENGTH
    assert (rules["ends"]["rows"], rules["unused"]["rows"]) == (1, 0)
    assert rules["more"]["span"]["line"] == 9 and rules["more"]["relation"] == "tc"
    seconds = [one["seconds"] for one in found["rules"]]
    assert seconds == sorted(seconds, reverse=True) and found["rules"][0]["rule"] == "more"
    assert sum(seconds) <= found["seconds"]
    assert [len(told("profile", "--limit", n)["rules"]) for n in ("2", "0")] == [2, 4]


def test_a_profile_leaves_the_store_as_it_was(project: Path) -> None:
    run("query", "tc(x, y)", "--spec", "chain.nesy")
    (file,) = (path for path in project.rglob("*.db") if ".nesy" not in path.parts)
    with sqlite3.connect(file) as store:
        before = list(store.iterdump())
    run("profile")
    with sqlite3.connect(file) as store:
        assert list(store.iterdump()) == before
    store.close()


def test_the_profile_as_a_table(project: Path) -> None:
    lines = run("profile").splitlines()
    assert lines[0].split() == ["rule", "relation", "ms", "share", "rounds", "rows", "place"]
    assert lines[1].split()[:2] == ["more", "tc"] and lines[1].split()[-1] == "chain.nesy:9"
    assert "on sqlite" in lines[-1]


def test_the_plan_of_a_query(project: Path) -> None:
    found = told("query", 'tc("n1", x), not ends(x)', "--explain-plan")
    assert [(s["relations"], s["recursive"]) for s in found["strata"]] == [(["tc"], True), (["ends"], False)]
    recursive = found["strata"][0]["statements"]
    assert [(one["name"], one["rule"], one["in_rounds"]) for one in recursive] == [
        ("one", "one", False),
        ("more.delta1", "more", True),
    ]
    assert recursive[1]["sql"].startswith("INSERT OR IGNORE INTO") and recursive[1]["span"]["line"] == 9
    assert any("SEARCH" in step["text"] for step in recursive[1]["plan"])
    assert found["query"]["sql"].startswith("SELECT") and found["query"]["plan"][0]["depth"] == 0
    assert told("query", "e(x, y)", "--explain-plan")["strata"] == []


def test_the_plan_as_text(project: Path) -> None:
    text = run("query", 'tc("n1", x)', "--explain-plan")
    assert "stratum 1: tc, in rounds until nothing is new" in text
    assert "more.delta1  chain.nesy:9, every round" in text
    assert "    INSERT OR IGNORE INTO" in text and "· SEARCH" in text
    assert "ends" not in text
