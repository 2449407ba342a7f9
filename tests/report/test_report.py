"""A run as a page: its figures are the files' figures, nothing a model wrote is markup, the same run gives the same bytes."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import write_json, write_jsonl
from nesyc_runtime.report.charts import WIDTH
from nesyc_runtime.report.found import find_run
from nesyc_runtime.report.page import report_json, report_page

NASTY = '<script>alert(1)</script> \x1b[31m " onload="x\u202e'


def score(student: str, value: float, evaluate: str = "main", group: Any = None) -> dict[str, Any]:
    return {
        "evaluate": evaluate,
        "student": student,
        "dataset": "d",
        "split": "test",
        "metric": "accuracy",
        "group": group,
        "seed": None,
        "n": 2,
        "value": value,
        "low": value / 2,
        "high": value,
        "lenient": 0.8,
    }


def item(id_: str, correct: bool | None, response: str = "so 4") -> dict[str, Any]:
    return {
        "id": id_,
        "split": "d.test",
        "evaluate": "main",
        "seed": None,
        "prompt": "2 + 2?",
        "answer": 4,
        "response": response,
        "gold": 4,
        "correct": correct,
        "facts": [],
        "hits": [{"relation": "lesson", "key": [3], "score": 0.5, "text": NASTY}],
    }


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "abc123"
    write_json(
        folder / "results.json",
        {
            "v": 1,
            "run": "abc123",
            "status": "stopped",
            "students": ["small", "big.final"],
            "scores": [score("small", 0.25), score("big.final", 0.75), score("small", 0.5, group=NASTY)],
            "compare": [
                {
                    "a": "big.final",
                    "b": "small",
                    "metric": "accuracy",
                    "evaluate": "main",
                    "delta": 0.5,
                    "low": -0.1,
                    "high": 0.9,
                    "p": 0.04,
                }
            ],
            "require": [{"text": "accuracy >= 0.9", "ok": False, "left": 0.75, "right": 0.9}],
            "stages": [],
            "substitutions": [{"teacher": "tutor", "fallback": "stand_in", "variables": ["TEACHER_URL"]}],
        },
    )
    write_json(
        folder / "decisions.json", {"v": 1, "decisions": [{"what": "kb", "choice": "sqlite", "why": NASTY}]}
    )
    report = {"stage": "big.final", "items": 2, "steps": 3, "tokens": 90, "label_tokens": 30, "seconds": 2.0}
    report |= {"truncated": {"prompt": 1}, "trainable": 5, "parameters": 7}
    write_json(
        folder / "training.json", {"v": 1, "training": [{**report, "loss": [[0, 2.0], [1, 1.5], [2, 1.0]]}]}
    )
    write_jsonl(folder / "items" / "small.jsonl", [item("one", False, NASTY), item("two", True)])
    write_jsonl(folder / "items" / "big.final.jsonl", [item("one", True), item("two", True)])
    (tmp_path / "runs" / "latest").write_text("abc123\n")
    return tmp_path / "runs"


class Page(HTMLParser):
    """The elements and the text of a page, and the attributes that could fetch or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            str(value) for name, value in attrs if name in ("src", "href") or name.startswith("on")
        ]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_figures_of_the_run_stand_in_the_page(runs: Path) -> None:
    page = Page(report_page(find_run(runs, None), items=100))
    for wanted in (
        "0.800",
        "0.250",
        "0.750",
        "0.125 … 0.250",
        "+0.500",
        "-0.100 … +0.900",
        "✗ fails",
        "has stopped",
    ):
        assert wanted in page.text, wanted
    assert "TEACHER_URL unset): stand_in stood in" in page.text
    assert "5 of 7" in page.text and "45" in page.text and "1 prompt" in page.text


def test_drawings_hold_the_students_and_the_losses(runs: Path) -> None:
    page = Page(report_page(find_run(runs, None), items=100))
    drawings = [base64.b64decode(link.partition(",")[2]).decode() for link in page.links]
    assert len(drawings) == 3 and all(drawing.startswith("<svg") for drawing in drawings)
    assert "big.final" in drawings[0] and "small" in drawings[0]
    dots = [float(at) for at in re.findall(r'translate\(([\d.]+),[\d.]+\)" d="M[\d.]+,0A', drawings[0])]
    assert dots == [0.25 * WIDTH, 0.75 * WIDTH]  # the axis goes from 0 to 1
    assert "big.final − small" in drawings[1] and "big.final" in drawings[2]


def test_nothing_a_model_wrote_becomes_markup(runs: Path) -> None:
    text = report_page(find_run(runs, None), items=100)
    page = Page(text)
    assert "script" not in page.tags and all(link.startswith("data:image/svg") for link in page.links)
    assert page.text.count("<script>alert(1)</script>") == 7  # shown as the text it is
    assert "\x1b" not in text and "\u202e" not in text
    assert "default-src &#39;none&#39;" in text


def test_items_that_tell_students_apart_come_first_and_are_counted(runs: Path) -> None:
    found = find_run(runs, "abc123")
    assert [item.disputed for item in found.items] == [True, False]
    text = report_page(found, items=1)
    assert "1 of 2 tell the students apart" in text and "1 are shown" in text and ">two<" not in text
    assert ">two<" in report_page(found, items=0)


def test_the_same_run_gives_the_same_bytes(runs: Path) -> None:
    assert report_page(find_run(runs, None), items=9) == report_page(find_run(runs, "abc123"), items=9)


def test_the_json_twin(runs: Path) -> None:
    value = report_json(find_run(runs, None))
    assert value["v"] == 1 and value["run"] == "abc123" and json.dumps(value)
    assert value["training"][0]["loss"][2] == [2, 1.0] and value["decisions"][0]["choice"] == "sqlite"


@pytest.mark.parametrize("name", ["nope", "..", "../../etc", "", "/"])
def test_a_run_that_is_not_there(runs: Path, name: str) -> None:
    with pytest.raises(UserError, match="there is no run"):
        find_run(runs, name)


def test_no_run_at_all(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no run yet"):
        find_run(tmp_path / "runs", None)


@pytest.mark.parametrize("damage", ["{", "[]", '{"v": 1}'])
def test_damaged_files_are_named(runs: Path, damage: str) -> None:
    (runs / "abc123" / "results.json").write_text(damage)
    with pytest.raises(UserError, match="run abc123 are damaged"):
        find_run(runs, None)


def test_a_run_without_training_or_scores(runs: Path) -> None:
    (runs / "abc123" / "training.json").unlink()
    file = runs / "abc123" / "results.json"
    write_json(file, {**json.loads(file.read_text()), "scores": [], "compare": [], "students": []})
    page = Page(report_page(find_run(runs, None), items=5))
    assert "Nothing is evaluated yet" in page.text and "Training" not in page.text and "img" not in page.tags


def test_the_command_writes_the_page_beside_the_run(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(runs.parent)
    (runs.parent / "s.nesy").write_text("nesy 1\n")
    result = CliRunner().invoke(app, ["report", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["file"].endswith("runs/abc123/report.html")
    assert "Run abc123" in (runs / "abc123" / "report.html").read_text()
    elsewhere = CliRunner().invoke(app, ["report", "abc123", "--out", "out/page.html"])
    assert elsewhere.exit_code == 0 and (runs.parent / "out" / "page.html").is_file()
