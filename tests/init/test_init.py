"""`nesyc init` makes projects in which the next commands work, and overwrites nothing."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from nesyc.cli.init import spec_name
from nesyc.pipeline import check_spec

TEMPLATES = ("kb", "distil")


def nesyc(*arguments: str, cwd: Path) -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from nesyc.cli import main; main()", *arguments]
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("template", TEMPLATES)
def test_the_commands_of_its_readme_work(template: str, tmp_path: Path) -> None:
    code, out, err = nesyc("init", "my-first", "--template", template, cwd=tmp_path)
    assert (code, err) == (0, "")
    assert "  cd my-first\n" in out and "  my_first.nesy\n" in out
    project = tmp_path / "my-first"
    readme = (project / "README.md").read_text()
    assert "my_project" not in readme
    shown = [
        shlex.split(line, comments=True)[1:] for line in readme.splitlines() if line.startswith("    nesyc ")
    ]
    assert {command[0] for command in shown} >= {"check", "test", "query"}
    for command in shown:
        if command[0] not in ("run", "ask"):  # these train a student
            code, out, err = nesyc(*command, cwd=project)
            assert code == 0, (command, out, err)
    assert nesyc("fmt", "--check", cwd=project)[0] == 0


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_checks_without_a_warning_and_answers(template: str, tmp_path: Path) -> None:
    nesyc("init", "p", "--template", template, cwd=tmp_path)
    assert check_spec(tmp_path / "p" / "p.nesy").diagnostics == ()
    assert "0 failed" in nesyc("test", cwd=tmp_path / "p")[1]


def test_the_kb_answers_and_follows_a_new_fact(tmp_path: Path) -> None:
    nesyc("init", "p", cwd=tmp_path)
    project = tmp_path / "p"
    query = ("query", 'ancestor("ann", x)', "--json")
    assert [row["values"] for row in json.loads(nesyc(*query, cwd=project)[1])["rows"]] == [["bob"], ["carl"]]
    with (project / "facts" / "parent.csv").open("a") as file:
        file.write("bob,emma\n")
    assert ["emma"] in [row["values"] for row in json.loads(nesyc(*query, cwd=project)[1])["rows"]]


def test_without_a_name_it_fills_this_folder(tmp_path: Path) -> None:
    folder = tmp_path / "Zoo 2"
    folder.mkdir()
    code, out, _ = nesyc("init", "--json", cwd=folder)
    assert code == 0
    assert json.loads(out) == {
        "v": 1,
        "folder": ".",
        "template": "kb",
        "files": [
            ".gitignore",
            "README.md",
            "facts/parent.csv",
            "facts/person.csv",
            "nesyc.yaml",
            "zoo_2.nesy",
        ],
    }
    assert all((folder / name).is_file() for name in json.loads(out)["files"])


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "README.md").write_text("mine")
    code, out, err = nesyc("init", "p", cwd=tmp_path)
    assert (code, out) == (1, "")
    assert "`p/README.md` already there; nothing is written" in err
    assert [path.name for path in (tmp_path / "p").iterdir()] == ["README.md"]
    (tmp_path / "file").write_text("")
    code, _, err = nesyc("init", "file", cwd=tmp_path)
    assert code == 1 and "cannot be written" in err


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("my-kb", "my_kb"),
        ("My KB 2", "my_kb_2"),
        ("2024", "kb_2024"),
        ("not", "kb_not"),
        ("été", "t"),
        ("", "kb"),
    ],
)
def test_a_folder_gives_a_name_of_the_language(folder: str, name: str, tmp_path: Path) -> None:
    assert spec_name(folder) == name


@pytest.mark.parametrize("name", ["kb", "test", "rule", "facts", "not"])
def test_keywords_are_fine_as_names(name: str, tmp_path: Path) -> None:
    for template in TEMPLATES:
        assert nesyc("init", f"{template}/{name}", "--template", template, cwd=tmp_path)[0] == 0
        assert check_spec(tmp_path / template / name / f"{spec_name(name)}.nesy").diagnostics == ()
