"""What the papers say is true: named files exist, the README's spec checks, tests and becomes the SQL shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAPERS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")
ELSEWHERE = ("build/", "runs/", ".nesy/", "train/", "bbh/", "teacher/", "demo/")


def fenced(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def nesyc(*arguments: str, cwd: Path) -> str:
    command = [sys.executable, "-c", "from nesyc.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / "family.nesy").write_text(fenced("nesy"), encoding="utf-8")
    return tmp_path


def test_the_commands_of_the_readme_work(family: Path) -> None:
    assert "no problems" in nesyc("check", "family.nesy", cwd=family)
    assert "1 passed" in nesyc("test", "--spec", "family.nesy", cwd=family)
    assert "carl" in nesyc("query", 'ancestor("ann", x)', cwd=family)
    assert "by step" in nesyc("why", 'ancestor("ann", "carl")', cwd=family)


def test_the_rule_becomes_the_sql_shown(family: Path) -> None:
    nesyc("compile", "family.nesy", cwd=family)
    assert fenced("sql").strip() in (family / "build" / "family" / "rules.sql").read_text(encoding="utf-8")


@pytest.mark.parametrize("paper", PAPERS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_files_that_papers_name_exist(paper: Path) -> None:
    named = re.findall(r"`((?:[\w.-]+/)+[\w.*-]*)`|\]\(((?!http)[^)#]+)\)", paper.read_text(encoding="utf-8"))
    for code, link in named:
        if code and not code.startswith(ELSEWHERE) and "NAME" not in code and "TASK" not in code:
            assert list(ROOT.glob(code.rstrip("/"))), f"{paper.name} names {code}"
        if link:
            assert (paper.parent / link).exists(), f"{paper.name} links to {link}"
