"""Codes that only data or a stage can bring about: the fixtures say which commands report them, and on which line."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nesyc.diagnostics.codes import CODES

FIXTURES = Path(__file__).parent / "fixtures"
SPECS = sorted(FIXTURES.glob("E*.nesy"))
EXPECTED = re.compile(r"# error: (E\d{4})")
COMMAND = re.compile(r"# \$ nesyc (.+)")
IN_TEXT = re.compile(r"([\w.]+\.nesy):(\d+): (E\d{4}): ")


def commands_of(text: str) -> list[list[str]]:
    return [shlex.split(line) for line in COMMAND.findall(text)]


def nesyc(arguments: list[str], spec: str, folder: Path) -> subprocess.CompletedProcess[str]:
    named = [] if "--spec" in arguments else ["--spec", spec]
    return subprocess.run(
        [sys.executable, "-c", "from nesyc.cli import main; main()", *arguments, *named, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        check=False,
    )


def found_in(done: subprocess.CompletedProcess[str]) -> set[tuple[str, str, int]]:
    """Code, file and line of what a command reported: as JSON on stdout, as a warning or a test's outcome in text."""
    value = json.loads(done.stdout)
    problems = [*value.get("diagnostics", ()), *value.get("over", ())]
    found = {(one["code"], one["span"]["file"], one["span"]["line"]) for one in problems}
    said = done.stderr + done.stdout
    return found | {(code, file, int(line)) for file, line, code in IN_TEXT.findall(said)}


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=[path.stem for path in SPECS])
def test_commands_report_what_the_comments_say(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(FIXTURES, folder)
    text = path.read_text(encoding="utf-8")
    lines = enumerate(text.splitlines(), 1)
    expected = {(code, path.name, number) for number, line in lines for code in EXPECTED.findall(line)}
    for arguments in commands_of(text):
        done = nesyc(arguments, path.name, folder)
        assert "Traceback" not in done.stderr, done.stderr
        if "--spec" in arguments:  # what was there before
            assert done.returncode == 0, done.stderr
        else:
            assert found_in(done) == expected, done.stderr


@pytest.mark.slow
def test_the_line_shown_is_that_of_the_specs_own_project(tmp_path: Path) -> None:
    """Another project has a file of this name too, and the command is called there."""
    name = "E0504_facts_break_a_forbid.nesy"
    shutil.copytree(FIXTURES, tmp_path / "project")
    here = tmp_path / "here"
    here.mkdir()
    (here / "nesyc.yaml").write_text("")
    (here / name).write_text("nesy 1\n" + "# not this line\n" * 30)
    done = nesyc(["run", "--spec", f"../project/{name}"], name, here)
    assert done.returncode == 1 and "forbid own_ancestor: ancestor(a, a);" in done.stderr
    assert "not this line" not in done.stderr


def test_every_code_of_a_run_has_a_fixture() -> None:
    wanted = {code.code for code in CODES.values() if code.found_by != "check"}
    fixtures = "".join(path.read_text(encoding="utf-8") for path in SPECS)
    assert wanted == set(EXPECTED.findall(fixtures))
