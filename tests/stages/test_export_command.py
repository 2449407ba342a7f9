"""`nesyc export` as a user runs it: what its exit code says of the answers that were compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc_runtime.stages import export as exporting
from tests.stages.test_interrupted import PROGRAM, SPEC


@pytest.mark.parametrize(
    ("form", "precision", "equal", "code"),
    [
        ("gguf", "f16", 0, 3),  # another model
        ("gguf", "q8_0", 5, 0),  # fewer bits turn some answers
        ("gguf", "f32", 7, 3),
        ("merged", "f32", 7, 3),
        ("merged", "f32", 8, 0),
    ],
)
def test_the_exit_code_says_whether_it_is_the_model(
    form: str, precision: str, equal: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(ctx: Any, name: str, form: str, out: Path, *, precision: str, sample: int) -> dict[str, Any]:
        said = precision if form == "gguf" else "f32"
        return {"model": name, "precision": said, "note": None, "check": {"asked": sample, "equal": equal}}

    monkeypatch.setattr(exporting, "export", made)
    (tmp_path / "sums.nesy").write_text(SPEC)
    (tmp_path / "sums.py").write_text(f"SLOW = None\n{PROGRAM}")
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(
        app,
        ["export", "std.final", "--form", form, "--precision", precision, "--spec", "sums.nesy", "--json"],
    )
    assert found.exit_code == code, found.output
    assert json.loads(found.stdout)["check"] == {"asked": 8, "equal": equal}
