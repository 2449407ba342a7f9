"""SARIF 2.1.0: the properties that its schema requires, and places that lead where they should."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.diagnostics.sarif import to_sarif
from nesyc.pipeline import check_spec

FIXTURES = sorted((Path(__file__).resolve().parents[1] / "checks" / "fixtures").glob("*.nesy"))
SPEC = """nesy 1
kb family {
  relation parent(child: text, parent: text)
  derived kin(a: text, b: text)
  rule up: kin(a, b) :- paremt(a, b), parent(a, c);
}
"""


def log_of(folder: Path, text: str) -> dict[str, Any]:
    (folder / "my spec.nesy").write_text(text, encoding="utf-8")
    checked = check_spec(folder / "my spec.nesy")
    log = to_sarif(checked.diagnostics, checked.loaded.sources, "1.2.3")
    loaded: dict[str, Any] = json.loads(json.dumps(log))
    return loaded


# The properties of SARIF 2.1.0 (sections 3.13 to 3.57) that logs of nesyc may have, by object; the schema takes no others.
LOG = {"$schema": str, "version": str, "runs": [
    {"tool": {"driver": {"name": str, "version": str, "rules": [
        {"id": str, "shortDescription": {"text": str}, "fullDescription": {"text": str}, "help": {"text": str},
         "defaultConfiguration": {"level": str}}]}},
     "columnKind": str, "originalUriBaseIds": {"PROJECT": {"description": {"text": str}}}, "results": []}]}  # fmt: skip
REGION = {"startLine": int, "startColumn": int, "endLine": int, "endColumn": int}
ARTIFACT = {"uri": str, "uriBaseId": str}
LOCATION = {
    "id": int,
    "message": {"text": str},
    "physicalLocation": {"artifactLocation": ARTIFACT, "region": REGION},
}
RESULT = {"ruleId": str, "ruleIndex": int, "level": str, "message": {"text": str}, "locations": [LOCATION],
          "relatedLocations": [LOCATION], "fixes": [{"description": {"text": str}, "artifactChanges": [
              {"artifactLocation": ARTIFACT, "replacements": [
                  {"deletedRegion": REGION, "insertedContent": {"text": str}}]}]}]}  # fmt: skip
LOG["runs"][0]["results"] = [RESULT]  # type: ignore[index]


def hold(value: Any, form: Any) -> None:
    """Every property is one of `form`'s, and of its type."""
    if isinstance(form, dict):
        assert isinstance(value, dict) and value.keys() <= form.keys(), set(value) - set(form)
        for name, part in value.items():
            hold(part, form[name])
    elif isinstance(form, list):
        assert isinstance(value, list)
        for part in value:
            hold(part, form[0])
    else:
        assert type(value) is form


@pytest.mark.parametrize("fixture", FIXTURES, ids=[path.stem for path in FIXTURES])
def test_every_fixture_gives_a_log_of_that_form(fixture: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(fixture.parent)
    checked = check_spec(fixture)
    log = json.loads(json.dumps(to_sarif(checked.diagnostics, checked.loaded.sources, "1.2.3")))
    hold(log, LOG)
    for result in log["runs"][0]["results"]:
        places = [*result["locations"], *result.get("relatedLocations", ())]
        for region in (place["physicalLocation"]["region"] for place in places):
            start, end = (
                (region["startLine"], region["startColumn"]),
                (region["endLine"], region["endColumn"]),
            )
            assert (1, 1) <= start <= end
    assert len(log["runs"][0]["results"]) == len(checked.diagnostics)


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_log_has_what_the_schema_requires(in_folder: Path) -> None:
    log = log_of(in_folder, SPEC)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("nesyc", "1.2.3")
    assert run["columnKind"] == "unicodeCodePoints"
    assert [rule["id"] for rule in driver["rules"]] == ["E0201", "W0401"]
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == driver["rules"][result["ruleIndex"]]["defaultConfiguration"]["level"]
        assert result["message"]["text"]
        for place in (*result["locations"], *result.get("relatedLocations", ())):
            check_location(place)
        for fix in result.get("fixes", ()):
            assert fix["description"]["text"]
            for change in fix["artifactChanges"]:
                assert change["artifactLocation"]["uri"] == "my%20spec.nesy"
                assert all(
                    r["deletedRegion"] and "text" in r["insertedContent"] for r in change["replacements"]
                )


def check_location(location: dict[str, Any]) -> None:
    physical = location["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "my%20spec.nesy", "uriBaseId": "PROJECT"}
    region = physical["region"]
    assert 1 <= region["startLine"] <= region["endLine"]
    assert region["startColumn"] >= 1 and region["endColumn"] >= 1


def test_places_and_mends_are_those_of_the_text_form(in_folder: Path) -> None:
    (run,) = log_of(in_folder, SPEC)["runs"]
    unknown, once = run["results"]
    assert unknown["locations"][0]["physicalLocation"]["region"] == {
        "startLine": 5, "startColumn": 25, "endLine": 5, "endColumn": 31,
    }  # fmt: skip
    (replacement,) = unknown["fixes"][0]["artifactChanges"][0]["replacements"]
    assert replacement["insertedContent"]["text"] == "parent"
    assert once["level"] == "warning"


def test_a_clean_spec_is_a_run_without_results(in_folder: Path) -> None:
    (run,) = log_of(in_folder, "nesy 1\n")["runs"]
    assert run["results"] == [] and run["tool"]["driver"]["rules"] == []


def test_the_command_prints_it(in_folder: Path) -> None:
    (in_folder / "spec.nesy").write_text(SPEC, encoding="utf-8")
    done = CliRunner().invoke(app, ["check", "spec.nesy", "--format", "sarif"])
    assert done.exit_code == 1
    assert len(json.loads(done.stdout)["runs"][0]["results"]) == 2
    done = CliRunner().invoke(app, ["check", "spec.nesy", "--format", "json"])
    assert json.loads(done.stdout)["errors"] == 1
    text = CliRunner().invoke(app, ["check", "spec.nesy", "--format", "text"]).stdout
    assert text == CliRunner().invoke(app, ["check", "spec.nesy"]).stdout
    assert CliRunner().invoke(app, ["check", "spec.nesy", "--format", "sarif", "--json"]).exit_code == 2
    assert CliRunner().invoke(app, ["check", "spec.nesy", "--format", "xml"]).exit_code == 2
    done = CliRunner().invoke(app, ["check", "spec.nesy", "--format", "sarif", "--out", "found.sarif"])
    assert json.loads((in_folder / "found.sarif").read_text(encoding="utf-8"))["version"] == "2.1.0"
