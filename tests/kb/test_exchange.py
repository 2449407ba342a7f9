"""Entries out to files, edited, and back: nothing is lost either way, and what both sides changed is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.session import runtime_project
from nesyc.pipeline import compile_spec
from nesyc_runtime.artifact import load_build
from nesyc_runtime.kb.exchange.exchange import Export, ExportedRow
from nesyc_runtime.kb.exchange.markdown import from_markdown, to_markdown
from nesyc_runtime.kb.exchange.tabular import from_csv, from_jsonl, to_csv, to_jsonl
from nesyc_runtime.kb.open import open_kb
from nesyc_runtime.kb.review.decisions import accept, edit, reject
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store

SPEC = """nesy 1
enum Kin { father mother }
kb family {
  semantics = max_min
  ceiling = origin_cap(human = 1.0, teacher = 0.9, unreviewed = 0.6)
  relation parent(child: text, parent: text, role: Kin) { key (child, parent) }
  relation lesson(id: int, title: text, body: text?, weight: number?, due: date?, sure: bool?) { key (id) }
  derived person(name: text)
  facts parent { ("ann", "bob", .father) }
  rule p: person(a) :- parent(a, _, _);
}
"""
STAGE = "stage:p.know"
LESSONS = [
    {
        "title": "one",
        "body": "first\n~~~\n## not a heading\n- status: rejected",
        "weight": 0.1 + 0.2,
        "sure": True,
    },
    {"title": 'two "quoted" \\ \x1b[31m', "body": None, "due": "2026-01-31"},
    {"title": "three", "body": "third"},
]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "family.nesy").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with opened(tmp_path) as store:
        write_entries(store, "lesson", LESSONS, owner=STAGE, replace=True)
        write_entries(
            store, "parent", [{"child": "bob", "parent": "c", "role": "mother"}], owner=STAGE, conf=0.8
        )
    return tmp_path


def opened(folder: Path) -> Store:
    compile_spec(folder / "family.nesy", folder / "build")
    build = load_build(folder / "build" / "family")
    return open_kb(build, runtime_project(folder / "family.nesy"), build.spec.kbs[0])


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout) if result.stdout.startswith("{") else result.output


def exported(folder: Path, name: str, *more: str) -> Path:
    formats = {".nesy": "nesy", ".md": "markdown", ".csv": "csv", ".jsonl": "jsonl"}
    file = folder / name
    result = CliRunner().invoke(
        app, ["kb", "export", "--format", formats[file.suffix], "--out", str(file), *more]
    )
    assert result.exit_code == 0, (result.output, result.exception)
    return file


def lessons(folder: Path) -> list[Any]:
    with opened(folder) as store:
        return store.execute(
            "SELECT id, title, body, weight, due, sure, status, owner FROM lesson ORDER BY id"
        ).fetchall()


FILES = ["e.nesy", "e.md", "e.csv", "e.jsonl"]


@pytest.mark.parametrize("name", FILES)
def test_an_export_read_back_changes_nothing(project: Path, name: str) -> None:
    before = lessons(project)
    file = exported(project, name, "--relation", "lesson")
    (found,) = run("kb", "import", str(file))["files"]
    assert (found["added"], found["changed"], found["removed"], found["conflicts"], found["rules"]) == (
        0,
        0,
        0,
        [],
        [],
    )
    assert lessons(project) == before


@pytest.mark.parametrize("name", FILES)
def test_an_edit_in_a_file_is_a_persons(project: Path, name: str) -> None:
    file = exported(project, name, "--relation", "lesson")
    file.write_text(file.read_text().replace("third", "the third"))
    (found,) = run("kb", "import", str(file), "--by", "ada")["files"]
    assert (found["changed"], found["conflicts"]) == (1, [])
    assert [(row[2], row[6], row[7]) for row in lessons(project)][2] == ("the third", "accepted", "person")
    again = run("kb", "import", str(file))["files"][0]
    assert again["changed"] == 0 and not again["conflicts"], "the same file twice does nothing more"
    log = run("kb", "log")["changes"][0]
    assert (log["who"], log["why"]) == ("ada", f"import {name}")


@pytest.mark.parametrize("name", FILES)
def test_what_both_sides_changed_is_a_conflict_and_stays(project: Path, name: str) -> None:
    file = exported(project, name, "--relation", "lesson")
    file.write_text(file.read_text().replace("third", "of the file").replace("one", "uno"))
    with opened(project) as store:
        edit(store, "lesson", [3], {"body": "of\x1b the kb"}, who="bea")
    result = CliRunner().invoke(app, ["kb", "import", str(file)])
    assert result.exit_code == 1 and "\x1b" not in result.output
    assert "changed in the file and in the knowledge base" in result.output
    assert "file body = of the file" in result.output
    assert [(row[1], row[2]) for row in lessons(project)][::2] == [
        ("uno", LESSONS[0]["body"]),
        ("three", "of\x1b the kb"),
    ]
    assert "of the file" in file.read_text()


def test_rows_that_are_gone_on_one_side(project: Path) -> None:
    file = exported(project, "e.jsonl", "--relation", "lesson")
    head, _, second, third = file.read_text().splitlines()
    file.write_text("\n".join([head, second.replace("two", "deux"), third]))
    with opened(project) as store:
        reject(store, "lesson", [2])
        accept(store, "lesson", [1])
    (found,) = run("kb", "import", str(file), code=1)["files"]
    assert [(c["key"], c["why"]) for c in found["conflicts"]] == [
        ([2], "changed in the file, removed from the knowledge base"),
    ]
    assert found["removed"] == 1, "what was only accepted meanwhile says the same as before"
    assert [row[0] for row in lessons(project)] == [3]
    with opened(project) as store:
        made = write_entries(store, "lesson", [LESSONS[0]], owner=STAGE)
        assert made[0].outcome == "rejected"


@pytest.mark.parametrize("name", ["e.md", "e.jsonl", "e.csv"])
def test_a_status_in_a_file_is_a_decision(project: Path, name: str) -> None:
    file = exported(project, name, "--relation", "lesson")
    text = file.read_text()
    file.write_text(text.replace("proposed", "accepted", 1).replace("proposed", "rejected", 1))
    (found,) = run("kb", "import", str(file))["files"]
    assert (found["accepted"], found["removed"], found["changed"]) == (1, 1, 0)
    assert [(row[0], row[6], row[7]) for row in lessons(project)] == [
        (1, "accepted", STAGE),
        (3, "proposed", STAGE),
    ]


def test_new_rows_get_a_number_and_are_the_persons(project: Path) -> None:
    file = exported(project, "e.md")
    file.write_text(
        file.read_text().replace("# Rules", '## lesson\n\n- title: "four"\n- weight: 2.5\n\n# Rules')
    )
    (found,) = run("kb", "import", str(file))["files"]
    assert (found["added"], found["conflicts"]) == (1, [])
    assert lessons(project)[3] == (4, "four", None, 2.5, None, None, "accepted", "person")


def test_facts_of_the_source_and_rules_stay_where_they_stand(project: Path) -> None:
    file = exported(project, "e.nesy", "--all")
    text = file.read_text()
    assert '("ann", "bob", .father)' in text and "rule p: person(a) :- parent(a, _, _);" in text
    file.write_text(
        text.replace('("ann", "bob", .father)', '("ann", "bob", .mother)').replace(
            "parent(a, _, _)", "parent(_, a, _)"
        )
    )
    (found,) = run("kb", "import", str(file), code=1)["files"]
    assert [c["why"] for c in found["conflicts"]] == ["parent ann, bob stands in family.nesy:9"]
    assert [(r["rule"], r["place"]) for r in found["rules"]] == [("p", "family.nesy:10")]


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [("e.nesy", "true", ".father", "E0302"), ("e.md", "- sure: true", "- sure: maybe", "expected a JSON value"),
     ("e.jsonl", '"sure": true', '"sure": 7', "column `sure`"), ("e.csv", "true", "perhaps", "column `sure`"),
     ("e.md", "- id: 3", "- id: 1", "E0503"), ("e.jsonl", '"kb": "family"', '"kb": "other"', "exported from kb `other`"),
     ("e.md", "- conf: 1.0", "- conf: 7", "E0307"), ("e.nesy", "# nesyc kb export", "# my export", "is missing"),
     ("e.jsonl", '"title": "three"', '"titel": "three"', "has no column `titel`")],
)  # fmt: skip
def test_a_file_that_cannot_be_read_changes_nothing(
    project: Path, name: str, old: str, new: str, message: str
) -> None:
    before = lessons(project)
    file = exported(project, name, "--relation", "lesson")
    file.write_text(file.read_text().replace("third", "changed").replace(old, new, 1))
    result = CliRunner().invoke(app, ["kb", "import", str(file)])
    told = result.output + str(result.exception)
    assert result.exit_code == 1 and message in told, told
    assert lessons(project) == before


def test_a_graph_for_networkx(project: Path) -> None:
    result = CliRunner().invoke(
        app, ["kb", "export", "--all", "--relation", "parent", "--format", "networkx-graphml"]
    )
    graph = networkx.parse_graphml(result.stdout)
    assert {(a, b, data["role"]) for a, b, data in graph.edges(data=True)} == {
        ("ann", "bob", "father"),
        ("bob", "c", "mother"),
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=30)
ROWS = st.lists(
    st.fixed_dictionaries({"id": st.integers(1, 10**12), "title": TEXTS, "body": st.none() | TEXTS,
                           "weight": st.none() | st.floats(allow_nan=False, allow_infinity=False)}),
    max_size=4, unique_by=lambda row: row["id"],
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_any_text_comes_back_from_a_file(rows: list[dict[str, Any]]) -> None:
    export = Export(
        "k", 7, ("lesson",), False, [ExportedRow("lesson", row, 0.5, "proposed", "stage:x") for row in rows]
    )
    for write, read in ((to_markdown, from_markdown), (to_jsonl, from_jsonl), (to_csv, from_csv)):
        if read is from_csv and not rows:
            continue
        found = read(write(export), "f")
        assert (found.kb, found.change, found.relations) == ("k", 7, ("lesson",))
        if read is from_csv:
            wanted = [{n: _as_cell(v) for n, v in row.items()} for row in rows]
        else:
            wanted = rows
        assert [(dict(row.values), row.conf, row.status) for row in found.rows] == [
            (row, 0.5, "proposed") for row in wanted
        ]


def _as_cell(value: Any) -> Any:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def test_what_rules_derive_is_exported_for_other_tools_alone(project: Path) -> None:
    refused = CliRunner().invoke(app, ["kb", "export", "--format", "csv", "--relation", "person"])
    assert "is derived by rules" in str(refused.exception)
