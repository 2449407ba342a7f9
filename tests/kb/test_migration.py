"""A changed schema: what was written is carried over, and nothing is lost without being asked for."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli import migrate
from nesyc.cli.app import app
from nesyc.cli.errors import CliError
from nesyc.cli.session import runtime_project
from nesyc.pipeline import compile_spec
from nesyc_runtime.artifact import load_build
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.open import open_kb
from nesyc_runtime.kb.review.decisions import accept
from nesyc_runtime.kb.review.log import read_log
from nesyc_runtime.kb.review.past import store_at, undo
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store

SPEC = """nesy 1
enum Kin { father mother }
kb family {
  relation lesson(id: int, body: text, kin: Kin?, n: int?) { key (id) }
  relation person(name: text, age: int)
  derived aged(name: text, age: int)
  facts person { ("ann", 1) ("ann", 2) }
  rule a: aged(n, y) :- person(n, y);
}
"""
STAGE = "stage:p.know"


def opened(folder: Path, text: str) -> Store:
    (folder / "family.nesy").write_text(text, encoding="utf-8")
    compiled = compile_spec(folder / "family.nesy", folder / "build")
    assert compiled.spec is not None, [problem.message for problem in compiled.diagnostics]
    build = load_build(folder / "build" / "family")
    return open_kb(build, runtime_project(folder / "family.nesy"), build.spec.kbs[0])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with opened(tmp_path, SPEC) as store:
        rows = [{"body": "one one", "kin": "mother", "n": 7}, {"body": "two", "n": None}]
        write_entries(store, "lesson", rows, owner=STAGE)
    return tmp_path


def lessons(store: Store, columns: str = "id, body, kin, n, status, owner") -> list[Any]:
    return store.execute(f"SELECT {columns} FROM lesson ORDER BY id").fetchall()


KEPT = [(1, "one one", "mother", 7, "proposed", STAGE), (2, "two", None, None, "proposed", STAGE)]


@pytest.mark.parametrize(
    ("old", "new"),
    [("n: int?)", "n: int?, more: text?)"), ("{ key (id) }", "{ key (id), fulltext (body) }"), ("n: int?", "n: number?"),
     ("body: text, kin: Kin?", "kin: Kin?, body: text"), ("kin: Kin?", "kin: text?")],
)  # fmt: skip
def test_what_was_written_is_carried_over(project: Path, old: str, new: str) -> None:
    with opened(project, SPEC.replace(old, new)) as store:
        assert lessons(store) == KEPT
        assert store.execute("SELECT count(*) FROM person").fetchone() == (2,)
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    if "number" in new:
        with pytest.raises(UserError, match="E0506"):
            opened(project, SPEC)
        return
    with opened(project, SPEC) as store:
        assert lessons(store) == KEPT, "and back again"
        with store_at(store, 2, rules=False) as past:
            assert lessons(past) == KEPT


def test_a_migration_is_shown_and_refuses_loss(project: Path) -> None:
    narrow = SPEC.replace(", n: int?", "").replace("body: text", "body: text, must: text")
    (project / "family.nesy").write_text(narrow, encoding="utf-8")
    found = json.loads(CliRunner().invoke(app, ["kb", "migrate", "--dry-run", "--json"]).stdout)
    assert found["changes"] == [
        {"relation": "lesson", "what": "changed", "written": 2, "added": ["must"], "lost": ["n"], "missing": ["must"],
         "loses": "relation `lesson` holds 2 written rows, and its columns n changed"}
    ]  # fmt: skip
    shown = CliRunner().invoke(app, ["kb", "migrate", "--dry-run"]).stdout
    assert "~ relation lesson: + must, - n; 2 written rows go: no value for must" in shown
    refused = CliRunner().invoke(app, ["kb", "migrate"])
    assert refused.exit_code == 1 and "E0506" in str(refused.exception)
    with opened(project, SPEC) as store:
        assert lessons(store) == KEPT


def test_allowed_loss_stands_in_the_history(project: Path) -> None:
    (project / "family.nesy").write_text(SPEC.replace(", n: int?", ""), encoding="utf-8")
    assert CliRunner().invoke(app, ["kb", "migrate", "--allow-loss"]).exit_code == 0
    with opened(project, SPEC.replace(", n: int?", "")) as store:
        assert lessons(store, "id, body, kin") == [row[:3] for row in KEPT]
    (project / "family.nesy").write_text(SPEC.replace("body: text", "must: text"), encoding="utf-8")
    assert CliRunner().invoke(app, ["kb", "migrate", "--allow-loss"]).exit_code == 0
    with opened(project, SPEC.replace("body: text", "must: text")) as store:
        assert lessons(store, "id") == []
        gone = next(c for c in read_log(store)["changes"] if c["who"] == "nesyc")
        assert [(row["op"], row["before"]["id"]) for row in gone["rows"] if row["relation"] == "lesson"] == [
            ("delete", 1), ("delete", 2),
        ]  # fmt: skip


def test_a_new_key_takes_the_sources_rows_as_the_text_has_them_now(project: Path) -> None:
    keyed = SPEC.replace(
        "person(name: text, age: int)", "person(name: text, age: int) { key (name) }"
    ).replace(' ("ann", 2)', "")
    with opened(project, keyed) as store:
        assert store.execute("SELECT name, age FROM person").fetchall() == [("ann", 1)]
        assert store.execute("SELECT name, age FROM aged").fetchall() == [("ann", 1)]
        assert lessons(store) == KEPT


def test_written_rows_that_share_a_new_key_are_refused(project: Path) -> None:
    with opened(project, SPEC) as store:
        write_entries(store, "person", [{"name": "bob", "age": 1}, {"name": "bob", "age": 2}], owner=STAGE)
    keyed = SPEC.replace(
        "person(name: text, age: int)", "person(name: text, age: int) { key (name) }"
    ).replace(' ("ann", 2)', "")
    with pytest.raises(UserError, match="E0506: written rows of `person` have the same key"):
        opened(project, keyed)
    with opened(project, SPEC) as store:
        assert store.execute("SELECT count(*) FROM person").fetchone() == (4,)


@pytest.mark.parametrize(
    "new",
    [
        "n: int?, more: text?)",
        "n: number?)",
        "n: int?) { key (id), fulltext (body) } relation other(a: text)",
    ],
)
def test_what_was_written_before_a_schema_change_can_be_taken_back(project: Path, new: str) -> None:
    old = "n: int?) { key (id) }" if "other" in new else "n: int?)"
    with opened(project, SPEC.replace(old, new)) as store:
        accept(store, "lesson", [1], who="ada")
        assert undo(store, 2, who="ada"), "a person's change and the stage's, not that of the schema"
        assert lessons(store, "id") == []
        assert store.execute("SELECT count(*) FROM person").fetchone() == (2,)
        assert [one["who"] for one in read_log(store)["changes"][:2]] == ["ada", "ada"]
        assert undo(store, who="ada") == []


@pytest.mark.parametrize("answer", ["y", "n", None])
def test_a_run_asks_before_it_changes_written_rows(
    project: Path, answer: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "family.nesy").write_text(SPEC.replace("n: int?)", "n: int?, more: text?)"), encoding="utf-8")
    monkeypatch.setattr(
        migrate, "sys", SimpleNamespace(stdin=SimpleNamespace(isatty=lambda: answer is not None))
    )
    ran = CliRunner().invoke(app, ["run", "--json"], input=f"{answer}\n" if answer else None)
    if answer == "n":
        assert isinstance(ran.exception, CliError) and ran.exception.code == 4
        with opened(project, SPEC) as store:
            assert lessons(store) == KEPT and not [
                c for c in read_log(store)["changes"] if c["who"] == "nesyc"
            ]
        return
    assert ran.exit_code == 0 and "~ relation lesson: + more; rows kept" in ran.stderr
    made = json.loads(next((project / "runs").glob("*/decisions.json")).read_text())
    assert {"what": "kb family, its stored rows", "choice": "~ relation lesson: + more; rows kept", "why": "the schema changed"} in made["decisions"]  # fmt: skip
    again = CliRunner().invoke(app, ["run", "--json"])
    assert again.exit_code == 0 and "relation lesson" not in again.stderr


TIES = """nesy 1
enum Color {{ {constants} }}
kb tied {{
  relation seen(x: text, color: Color)
  derived shown(x: text, color: Color) {{ unique (x) resolve highest_conf }}
  facts seen {{ ("a", .red) ("a", .blue) ("b", .blue) ("b", .red) }}
  rule r: shown(x, c) :- seen(x, c);
}}
"""


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_ties_follow_the_declaration_of_an_enum_also_after_it_changes(project: Path, engine: str) -> None:
    for constants in ("red blue", "blue red", "green red blue", "blue green", "red blue"):
        text = TIES.format(constants=constants).replace("kb tied {", f"kb tied {{ engine = {engine}")
        if "red" not in constants:
            text = text.replace(".red", ".green")
        with opened(project, text) as store:
            evaluate(store)
            rows = store.execute(f'SELECT x, color FROM "{store.relation("shown").reads}"').fetchall()
            found = {tuple(map(store.text, row)) for row in rows}
        first = next(color for color in constants.split() if f".{color}" in text)
        assert found == {("a", first), ("b", first)}, constants


def test_what_is_no_constant_of_an_enum_is_refused_wherever_it_comes_from(project: Path) -> None:
    with opened(project, SPEC) as store, pytest.raises(UserError, match="a constant of Kin"):
        write_entries(store, "lesson", [{"body": "x", "kin": "aunt", "n": 1}], owner=STAGE)
