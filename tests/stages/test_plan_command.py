"""`nesyc plan` and `run --plan` from the command line, over the specs that ship."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SPECS = Path(__file__).resolve().parents[2] / "specs"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(SPECS / "quickstart.nesy", tmp_path)
    shutil.copytree(SPECS / "quickstart", tmp_path / "quickstart")
    return tmp_path


def nesyc(project: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-c", "from nesyc.cli import main; main()", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr if code else done.stdout


def test_a_plan_loads_no_torch(project: Path) -> None:
    script = (
        "import sys\nfrom nesyc.cli.app import app\n"
        "app(['plan', 'quickstart.nesy', '--json'], standalone_mode=False)\n"
        "assert not {'torch', 'transformers', 'lightning', 'httpx'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["calls"][0] == 1200 and plan["tokens"] == [0, 0]


def test_a_kept_plan_is_refused_when_the_prompt_changed(project: Path) -> None:
    shown = nesyc(project, "plan", "quickstart.nesy", "--select", "std_cot.cot", "--out", "p.plan")
    assert "never run" in shown
    kept = json.loads((project / "p.plan").read_text())
    assert kept["run"] == {"spec": "quickstart", "select": ["std_cot.cot"], "refresh": [], "limit": None}
    spec = project / "quickstart.nesy"
    text = spec.read_text()
    spec.write_text(text.replace("    {question}\n", "    {question} Please.\n", 1))
    refused = nesyc(project, "run", "--plan", "p.plan", code=1)
    assert "no longer as planned" in refused and "cot: task convert changed" in refused
    spec.write_text(text)
    results = json.loads(nesyc(project, "run", "--plan", "p.plan", "--json"))
    assert [stage["name"] for stage in results["stages"]] == ["cot"]
    nesyc(project, "run", "--plan", "p.plan", "--json")


def test_what_is_no_plan(project: Path) -> None:
    (project / "p.plan").write_text('{"v": 1, "stages": [{}]}')
    assert "p.plan is no plan" in nesyc(project, "run", "quickstart.nesy", "--plan", "p.plan", code=1)
    assert "cannot be read" in nesyc(project, "run", "quickstart.nesy", "--plan", "gone", code=1)
    nesyc(project, "run", "quickstart.nesy", "--plan", "p.plan", "--limit", "3", code=2)
    shown = nesyc(
        project, "run", "quickstart.nesy", "--dry-run", "--limit", "3", "--select", "know+", "--json"
    )
    assert json.loads(shown)["calls"][0] == 3
