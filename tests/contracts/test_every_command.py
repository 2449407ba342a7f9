"""What docs promise of every command: its options, one JSON object on stdout, `--out FILE` instead of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from nesyc.cli.app import app
from tests.console import nesyc as call

SPEC = """nesy 1
param least: int = 1
dataset d {
  row (id: text key, q: text, label: text)
  split train = jsonl("train.jsonl")
}
task t on d {
  input (q: text)
  output (answer: text)
  prompt = "{retrieved} {q}"
  parse answer = rest()
  metric accuracy = mean(answer == label)
}
kb family {
  semantics = max_product
  relation parent(child: text, parent: text) { key (child, parent) }
  relation note(id: int, body: text) { key (id) fulltext (body) }
  derived ancestor(a: text, b: text)
  facts parent { ("ann", "bob") ("bob", "carl") }
  facts note { (1, "about bob") }
  rule base 0.9: ancestor(a, b) :- parent(a, b);
  rule step: ancestor(a, c) :- ancestor(a, b), parent(b, c);
}
teacher big { endpoint = program("teach:answer") }
retrieve hints for t from family { query = q, search = fulltext(note.body) }
pipeline p for t { stage cot = sample(teacher = big, data = d.train) }
test "two steps" for family { expect ancestor("ann", "carl") by step; }
"""
SPEC_OPTIONS = {"--spec", "--build", "--profile", "--param", "--json", "--out"}
# These begin a project, format files or print a table without a spec; an editor or an HTTP client asks the last two.
OTHERS = {
    "init": {"--json", "--out"},
    "fmt": {"--json", "--out"},
    "explain": {"--json", "--out"},
    "lsp": set[str](),
    "serve": {"--spec", "--build", "--profile", "--param"},
}
OF_A_KB = {"query", "why", "whynot", "profile", "review", "fit weights"} | {
    f"kb {name}" for name in ("log", "at", "undo", "migrate", "export", "import")
}
ROWS = {"query", "why", "whynot", "review", "profile", "kb log", "kb at", "show batch"}

# How each is called in the project below; `{out}` is what `kb export` wrote.
CALLS = {
    "check": "check", "compile": "compile", "plan": "plan", "run": "run", "test": "test", "profile": "profile",
    "query": "query parent(x,y)", "why": 'why ancestor("ann","carl")', "whynot": 'whynot ancestor("carl","ann")',
    "retrieve": "retrieve hints bob", "clean": "clean --dry-run", "review": "review --list", "fit weights": "fit weights labels.csv",
    "kb log": "kb log", "kb at": "kb at 2040-01-01", "kb undo": "kb undo", "kb migrate": "kb migrate",
    "kb export": "kb export", "explain": "explain E0402", "fmt": "fmt --check", "init": "init new",
}  # fmt: skip
# What these write into `--out` is no JSON: `tests/docs_page`, `tests/report` and `tests/stages` hold them.
PAGES = {"docs", "report", "export"}
ELSEWHERE = {"ask", "kb import", "lsp", "serve", "show batch", "verify", *PAGES}
# `plan --out` keeps the plan and shows it too.
SAYS_IT_TOO = {"plan"}


def commands(group: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(commands(typer.main.get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_options(name: str) -> None:
    options = {option for parameter in COMMANDS[name].params for option in parameter.opts}
    assert OTHERS.get(name, SPEC_OPTIONS) <= options
    assert ("--kb" in options) == (name in OF_A_KB)
    if name in ROWS:
        limit = next(parameter for parameter in COMMANDS[name].params if "--limit" in parameter.opts)
        assert limit.default == 1000
    for parameter in COMMANDS[name].params:
        assert parameter.hidden is False or parameter.param_type_name == "argument", parameter.opts


def test_the_table_names_commands() -> None:
    assert set(COMMANDS) >= CALLS.keys() | ELSEWHERE


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("profiles:\n  big: {least: 2}\n")
    (tmp_path / "s.nesy").write_text(SPEC)
    (tmp_path / "train.jsonl").write_text('{"id": "a", "q": "who", "label": "bob"}\n')
    (tmp_path / "teach.py").write_text('def answer(request):\n    return "bob"\n')
    (tmp_path / "labels.csv").write_text(
        'fact,label\n"ancestor(""ann"", ""carl"")",1\n"ancestor(""ann"", ""bob"")",0\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", CALLS)
def test_one_object_on_stdout_or_in_the_file(
    name: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = CALLS[name].split()
    if name not in OTHERS:
        words += ["--spec", "s.nesy", "--build", "b", "--profile", "big", "--param", "least=3"]
    code = call(monkeypatch, *words, "--json")
    value = json.loads(capsys.readouterr().out)
    assert value["v"] == 1
    if name == "init":
        words[-1] = "other"
    assert call(monkeypatch, *words, "--json", "--out", "kept/out.json") == code
    assert (capsys.readouterr().out == "") == (name not in SAYS_IT_TOO)
    kept = json.loads(Path("kept/out.json").read_text())
    assert kept["v"] == 1 and kept.keys() >= value.keys()
    assert [path.name for path in Path("kept").iterdir()] == ["out.json"]
    if name not in OTHERS and name not in ("check", "clean"):  # these two compile nothing
        assert json.loads(Path("b/s/manifest.json").read_text())["params"] == {"least": 3}


@pytest.mark.parametrize(
    "words",
    [
        ["query", "nope(x)"],
        ["query", "parent(x"],
        ["why", 'ancestor("ann", _)'],
        ["query", "parent(x, y)", "--kb", "nope"],
        ["check", "--param", "least=many"],
        ["check", "--profile", "small"],
        ["plan", "--select", "nope"],
        ["test", "-k", "nope"],
        ["explain", "E9999"],
        ["fmt", "nope.nesy"],
        ["check", "nope.nesy"],
        ["ask", "who"],
        ["kb", "import", "nope.nesy"],
        ["check", "--out", "."],
        ["query", "parent(x, y)", "--out", "s.nesy/x"],
        ["test", "--junit", "."],
        ["compile", "--build", "s.nesy"],
    ],
)
def test_a_mistake_is_one_object_too(
    words: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words, "--json") == 1
    value = json.loads(capsys.readouterr().out)
    assert value["v"] == 1 and value["ok"] is False
    assert value.get("diagnostics") or value["error"]["message"]


@pytest.mark.parametrize(
    "name", ["query p(x)", "check", "plan", "report", "docs", "kb export", "fmt --check"]
)
@pytest.mark.parametrize("out", ["s.nesy", "nesyc.yaml", "teach.py"])
def test_no_result_goes_over_a_source(
    name: str, out: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (project / out).read_text()
    assert call(monkeypatch, *name.split(), "--out", out) == 2
    assert (project / out).read_text() == before


def test_an_export_may_be_written_again(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(2):
        assert call(monkeypatch, "kb", "export", "--spec", "s.nesy", "--out", "family.nesy") == 0


def test_what_would_ask_says_so_in_json(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "compile", "s.nesy") == 0
    capsys.readouterr()
    assert call(monkeypatch, "clean", "--json", "--spec", "s.nesy") == 1
    assert "--yes" in json.loads(capsys.readouterr().out)["error"]["help"]
    assert (project / "build" / "s").is_dir()


@pytest.mark.parametrize(
    "words", [["query"], ["query", "--nope"], ["nope"], ["kb", "nope"], ["check", "--param", "x"]]
)
def test_wrong_usage_is_one_object_too(
    words: list[str], project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words, "--json") == 2
    said = capsys.readouterr()
    assert json.loads(said.out)["error"]["message"] == "wrong usage" and "Usage" in said.err
