"""`nesyc run` as a user runs it: its exit code, and what stands in the results of a run in part."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from tests.stages.test_interrupted import PROGRAM, SPEC

EVALUATED = """
evaluate exam of std.final on sums.test {
  report accuracy
  require accuracy >= 0.0
  require accuracy < 0.0
}
"""


@pytest.mark.slow
def test_a_part_is_judged_by_what_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `require` that fails ends the run with 3, and one of a stage before the evaluation with 0: it asked for no score."""
    spec = SPEC.replace("epochs = 20000", "epochs = 1").replace(
        'split train = generate("sums:rows", n = 8, seed = 1)',
        'split train = generate("sums:rows", n = 8, seed = 1)\n  split test = generate("sums:rows", n = 4, seed = 2)',
    )
    (tmp_path / "sums.nesy").write_text(spec + EVALUATED)
    (tmp_path / "sums.py").write_text(
        f"SLOW = None\n{PROGRAM}".replace("range(n)", "range(seed * 100, seed * 100 + n)")
    )
    monkeypatch.chdir(tmp_path)
    whole = CliRunner().invoke(app, ["run", "sums.nesy", "--json"])
    assert whole.exit_code == 3, whole.output
    part = CliRunner().invoke(app, ["run", "sums.nesy", "--select", "cot", "--json"])
    assert part.exit_code == 0, part.output
    first, second = (json.loads(one.stdout) for one in (whole, part))
    assert [one["ok"] for one in first["require"]] == [True, False]
    assert second == first
