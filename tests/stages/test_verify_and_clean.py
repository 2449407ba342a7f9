"""`verify` sees what was damaged and where; `clean` takes what can be made again and nothing else."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import ExitStack
from pathlib import Path

import numpy
import pytest
from safetensors.numpy import save_file

from nesyc_runtime.artifact import Build
from nesyc_runtime.files import write_json
from nesyc_runtime.project import Project
from nesyc_runtime.stages.clean import leftovers, remove
from nesyc_runtime.stages.results import make_results, write_results
from nesyc_runtime.stages.run import Options, run
from nesyc_runtime.stages.verify import verify
from tests.stages.world import World


@pytest.fixture
def ran(tmp_path: Path) -> tuple[Build, Project]:
    """A project whose run has ended, with its build on the disk."""
    world = World(tmp_path)
    with ExitStack() as stack:
        ctx = world.context(stack)
        outcome = run(ctx, Options())
        write_results(ctx, outcome.nodes, make_results(ctx, outcome.nodes, "done"))
    folder = tmp_path / "build" / "s"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.sql").write_text("")
    empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    manifest = {"outputs": {"rules.sql": empty}}
    write_json(folder / "manifest.json", manifest)
    build = Build(folder, ctx.spec, ctx.build.programs, ctx.build.after, manifest)
    return build, ctx.project


def problems(ran: tuple[Build, Project]) -> list[str]:
    return [problem for check in verify(*ran) for problem in check.problems]


def test_what_is_whole_is_found_whole(ran: tuple[Build, Project]) -> None:
    checks = verify(*ran)
    assert all(check.ok for check in checks), checks
    assert [check.what.split()[0].rstrip(",") for check in checks][-3:] == ["answers", "stages", "run"]


def test_a_changed_or_missing_file_of_the_build(ran: tuple[Build, Project]) -> None:
    (ran[0].dir / "rules.sql").write_text("DROP TABLE x;")
    assert problems(ran) == ["rules.sql was changed after compiling"]
    (ran[0].dir / "rules.sql").unlink()
    assert problems(ran) == ["rules.sql is missing"]


def test_a_damaged_answer_store(ran: tuple[Build, Project]) -> None:
    file = ran[1].answers_file
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray(file.read_bytes())
    data[4096:4400] = b"\xff" * 304
    file.write_bytes(bytes(data))
    assert problems(ran)
    file.write_bytes(b"no database" * 100)
    assert "cannot be read" in problems(ran)[0]


def test_damaged_stages(ran: tuple[Build, Project]) -> None:
    stages = sorted(folder for folder in ran[1].stages_dir.glob("*/"))
    save_file({"w": numpy.array([1.0, numpy.nan])}, stages[0] / "model.safetensors")
    (stages[1] / "model.safetensors").write_bytes(b"\x10\x00\x00\x00")
    (stages[2] / "done.json").write_text("{")
    found = problems(ran)
    assert len(found) == 3
    assert "no number, in w" in found[0] and "is damaged" in found[1] and "done.json" in found[2]
    assert re.match(r"\w+ [a-z]+\.[a-z]+", found[0]), "the name that --refresh takes"
    (check,) = (one for one in verify(*ran) if not one.ok)
    assert check.help == "nesyc run --refresh STAGE makes a stage anew"


def test_a_score_that_its_items_do_not_bear_out(ran: tuple[Build, Project]) -> None:
    folder = next(path.parent for path in ran[1].runs_dir.glob("*/results.json"))
    results = json.loads((folder / "results.json").read_text())
    results["scores"][0]["value"] = 0.99
    write_json(folder / "results.json", results)
    (problem,) = problems(ran)
    assert problem.startswith("small has accuracy 0.990 in results.json, 0.000 over its items")
    (folder / "results.json").write_text("[]")
    assert "damaged" in problems(ran)[0]


def test_clean_keeps_what_was_last_done_and_what_was_paid_for(ran: tuple[Build, Project]) -> None:
    build, project = ran
    kept = {folder.name for folder in project.stages_dir.glob("*/")}
    old = project.stages_dir / ("0" * 64)
    write_json(old / "done.json", {"counts": {}})
    (project.stages_dir / "1.partial").mkdir()
    (project.state_dir / "bases" / "x").mkdir(parents=True)
    found = leftovers(project, build.dir.parent)
    assert [leftover.folder for leftover in found] == [build.dir, old, project.state_dir / "bases" / "x"]
    assert remove(found) > 0
    assert {f.name for f in project.stages_dir.glob("*/")} == {*kept, "1.partial"}
    assert project.answers_file.is_file() and list(project.runs_dir.glob("*/results.json"))
    assert leftovers(project, build.dir.parent) == []
