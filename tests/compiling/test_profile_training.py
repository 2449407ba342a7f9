"""How trainings run follows the profile a spec is worked on with, also where that is the last compilation's."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.session import open_build


def test_the_profile_of_the_last_compilation_says_how_trainings_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nesyc.yaml").write_text(
        "training: {processes: 2}\nprofiles: {cluster: {training: {processes: 8, strategy: fsdp}}}\n"
    )
    (tmp_path / "s.nesy").write_text("nesy 1\nkb k { relation r(a: text) }\n")
    monkeypatch.chdir(tmp_path)
    for arguments, processes, strategy in (([], 2, "ddp"), (["--profile", "cluster"], 8, "fsdp")):
        assert CliRunner().invoke(app, ["compile", "s.nesy", *arguments]).exit_code == 0
        _, project = open_build(None, None, None, {})
        assert (project.training.processes, project.training.strategy) == (processes, strategy)
