"""A store read, and edited, by sqlite-utils: what people use who have never heard of nesyc."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlite_utils
from typer.testing import CliRunner

from nesyc.cli.app import app

SAMPLE = Path(__file__).parents[1] / "samples" / "kinship"


def nesyc(*arguments: str) -> Any:
    ran = CliRunner().invoke(app, [*arguments, "--json"])
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(SAMPLE, tmp_path / "kinship")
    monkeypatch.chdir(tmp_path / "kinship")
    nesyc("query", "kin(x, y, r)")
    return tmp_path / "kinship"


def test_every_table_and_view_opens_and_views_read_as_text(project: Path) -> None:
    with sqlite_utils.Database(project / "family.db") as db:
        for name in db.table_names():
            assert len([*db[name].rows]) == db[name].count
        views = {name: [*db.view(name).rows] for name in db.view_names()}
    assert set(views) == {
        "person",
        "parent",
        "compose",
        "kin",
        "sibling",
        "only_child",
        "sibling_count",
        "lesson",
    }
    assert views["parent"][0] == {"child": "ann", "parent": "bob", "role": "father", "conf": 1.0, "origin": "human",
                                  "status": "accepted", "owner": "source:kinship.nesy"}  # fmt: skip
    told = nesyc("query", "kin(a, b, rel)")
    seen = sorted([row["a"], row["b"], row["rel"]] for row in views["kin"])
    assert seen == sorted(row["values"] for row in told["rows"]), "a view shows what a query finds"


def test_an_edit_of_another_program_stands_in_the_history_and_counts(project: Path) -> None:
    before = nesyc("query", "kin(x, y, r)")["rows"]
    with sqlite_utils.Database(project / "family.db") as db, db.conn:
        ids = {row["text"]: row["id"] for row in db["nesyc.symbol"].rows}
        person = db["nesyc.symbol"].insert({"text": "person"}, pk="id").last_pk
        about = {
            "origin": ids["human"],
            "status": ids["accepted"],
            "owner": person,
            "conf": 1.0,
            "written": 1.0,
        }
        eve = db["nesyc.symbol"].insert({"text": "eve"}, pk="id").last_pk
        db["person.rows"].insert({"name": eve, **about})
        db["parent.rows"].insert({"child": eve, "parent": ids["bob"], "role": ids["father"], **about})
        db["parent.rows"].delete_where("child = ?", [ids["dora"]])
    assert {tuple(row["values"]) for row in nesyc("query", 'kin("eve", y, r)')["rows"]} == {
        ("bob", "father"), ("carl", "grandfather")
    }, "what follows from an edit is derived"  # fmt: skip
    log = nesyc("kb", "log")["changes"]
    edit = next(one for one in log if one["who"] == "outside nesyc")
    assert [(one["op"], (one["before"] or one["after"]).get("child")) for one in edit["rows"]] == [
        ("insert", None), ("insert", "eve"), ("delete", "dora")
    ]  # fmt: skip
    now = nesyc("query", "kin(x, y, r)")["rows"]
    assert [row for row in now if row["values"][0] != "eve"] == before, "what the text says stands again"
