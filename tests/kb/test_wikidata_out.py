"""Facts that came from Wikidata's entities go out as such, and load again as the same facts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app

SPEC = """nesy 1
enum Kind { human city }
kb k {
  relation born(who: text, name: text?, on: date?, weight: number?, kids: int?, father: text?, kind: Kind?) { key (who) }
  relation other(a: text, b: text)
  facts born from wikidata(
    "FILE",
    language = "de",
    columns = { who = "id", name = "label", on = "P569", weight = "P2067", kids = "P1971", father = "P22", kind = "P31" },
  )
  facts other { ("x", "y") }
}
"""


def entity(id_: str, label: str | None = None, **claims: dict[str, Any]) -> str:
    statements = {
        name: [{"mainsnak": {"snaktype": "value", "datavalue": value}, "rank": "normal"}]
        for name, value in claims.items()
    }
    labels = {"de": {"language": "de", "value": label}} if label else {}
    return json.dumps({"id": id_, "labels": labels, "claims": statements})


ENTITIES = [
    entity(
        "Q1",
        'Ann \u00e9\u6f22 "x"',
        P569={"type": "time", "value": {"time": "+1952-03-11T00:00:00Z", "precision": 11}},
        P2067={"type": "quantity", "value": {"amount": "+60.5"}},
        P1971={"type": "quantity", "value": {"amount": "-2"}},
        P22={"type": "wikibase-entityid", "value": {"id": "Q2"}},
        P31={"type": "string", "value": "human"},
    ),
    entity("Q2", None, P22={"type": "string", "value": "no id"}),
    entity("Q3", "Q5"),
]


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nesyc.yaml").write_text("")
    (tmp_path / "in.json").write_text("\n".join(ENTITIES))
    (tmp_path / "k.nesy").write_text(SPEC.replace("FILE", "in.json"))
    return tmp_path


def test_there_and_back(project: Path) -> None:
    query = "born(who, name, on, weight, kids, father, kind)"
    before = run("query", query, "--spec", "k.nesy")["rows"]
    assert len(before) == 3 and before[0]["values"][3:5] == [60.5, -2]
    told = run(
        "kb", "export", "--format", "wikidata", "--relation", "born", "--out", "out.json", "--spec", "k.nesy"
    )
    assert told["rows"] == {"born": 3}
    again = SPEC.replace("FILE", "out.json").replace("kb k", "kb again")
    (project / "again.nesy").write_text(again)
    assert run("query", query, "--spec", "again.nesy")["rows"] == before
    first = json.loads((project / "out.json").read_text().splitlines()[0])
    assert first["claims"]["P22"][0]["mainsnak"]["datavalue"]["value"]["id"] == "Q2"


def test_a_relation_without_property_numbers_is_refused(project: Path) -> None:
    arguments = [
        "kb",
        "export",
        "--format",
        "wikidata",
        "--relation",
        "other",
        "--out",
        "o.json",
        "--spec",
        "k.nesy",
    ]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1 and "is not filled from Wikidata" in str(done.exception)
    assert not (project / "o.json").exists()
