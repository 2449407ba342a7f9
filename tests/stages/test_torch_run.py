"""The whole engine with a real student: emitted modules, torch, generation; only the KB is the file one."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Training
from nesyc_runtime.report.tables import results_tables
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.export import export, exportable
from nesyc_runtime.stages.graph import all_stages
from nesyc_runtime.stages.learner import TorchLearner
from nesyc_runtime.stages.results import make_results, write_results
from nesyc_runtime.stages.run import Options, run
from tests.stages.world import World, find_stage, make_build


@pytest.mark.slow
def test_a_run_with_torch_gives_the_same_results_twice(tmp_path: Path) -> None:
    results = [one_run(tmp_path / name) for name in ("first", "second")]
    assert results[0] == results[1]
    assert [score["n"] for score in results[0]["scores"]] == [3, 3, 3]
    kinds = {stage["kind"] for stage in results[0]["stages"]}
    assert kinds == {"sample", "finetune", "mine_errors", "extract"}


def one_run(folder: Path) -> dict[str, Any]:
    folder.mkdir()
    world = World(folder)
    student = world.values["students"][0]
    student["base"]["architecture"] = {"layers": 1, "width": 16, "heads": 2, "tokenizer": "characters"}
    student["max_tokens"], student["max_new_tokens"] = 160, 12
    find_stage(world.values, "std.final")["select"] = "d.train"
    find_stage(world.values, "std.final")["epochs"] = 2.0
    build = make_build(folder, world.values)
    for stage in all_stages(build.spec).values():
        if isinstance(stage, config.FinetuneStage):
            # the runtime's mirror of the IR has the very fields the emitter reads
            text = emit_train_module(cast(Any, build.spec), cast(Any, stage))
            build.train_module(stage).write_text(text)
    with ExitStack() as stack:
        ctx = world.context(stack, limit=3)
        ctx.learner = TorchLearner(build, ctx.project, environment={"NESYC_DEVICE": "cpu"})
        outcome = run(ctx, Options())
        results = make_results(ctx, outcome.nodes, "done")
        report = json.loads((ctx.folder("std.final") / "weights" / "report.json").read_text())
        assert [step for step, _ in report["scores"]] == [1, 2]
        written = write_results(ctx, outcome.nodes, results)
        decided = {one["what"] for one in json.loads((written / "decisions.json").read_text())["decisions"]}
        assert {"training nesycd.final, micro-batches", "training nesycd.final, sequences"} <= decided
        decided = json.loads((folder / "runs" / ctx.run / "decisions.json").read_text())["decisions"]
        assert {"what": "device of the students", "choice": "cpu", "why": "NESYC_DEVICE says so"} in decided
        check_export(ctx, folder)
    shown = StringIO()
    Console(file=shown, width=120).print(results_tables(results))
    assert "nesycd.final" in shown.getvalue()
    for timed in (*results["stages"], *results["evaluations"]):
        timed["seconds"] = 0
    return results


@pytest.mark.slow
def test_a_run_trains_in_the_processes_that_the_project_asks_for(tmp_path: Path) -> None:
    world = World(tmp_path)
    student = world.values["students"][0]
    student["base"]["architecture"] = {"layers": 1, "width": 16, "heads": 2, "tokenizer": "characters"}
    student["max_tokens"], student["max_new_tokens"] = 160, 12
    build = make_build(tmp_path, world.values)
    for stage in all_stages(build.spec).values():
        if isinstance(stage, config.FinetuneStage):
            build.train_module(stage).write_text(emit_train_module(cast(Any, build.spec), cast(Any, stage)))
    with ExitStack() as stack:
        ctx = world.context(stack, limit=3)
        project = replace(ctx.project, training=Training(2))
        ctx.learner = TorchLearner(build, project, environment={"NESYC_DEVICE": "cpu"})
        run(ctx, Options(select=["std.final"]))
        weights = ctx.folder("std.final") / "weights"
        assert {"model.safetensors", "report.json"} <= {path.name for path in weights.iterdir()}
        assert (tmp_path / "runs" / ctx.run / "logs" / "std.final" / "metrics.csv").is_file()


def check_export(ctx: Context, folder: Path) -> None:
    """What is exported answers as what was trained, says what it is made of, and takes nobody's place."""
    name, out = exportable(ctx.spec, None), folder / "exported"
    assert name == "nesycd.final"
    done = export(ctx, name, "merged", out, precision="f16", sample=3)
    assert done["check"] == {"asked": 3, "equal": 3} and done["precision"] == "f32"
    assert {"model.safetensors", "config.json", "README.md", "nesyc.json"} <= {f.name for f in out.iterdir()}
    card = (out / "README.md").read_text()
    assert "teacher big: program" in card and "stage nesycd.know: extract" in card and "data: d.train" in card
    assert f"run {ctx.run}" in card and "3 answers are those" in card
    with pytest.raises(UserError, match="is there already"):
        export(ctx, name, "merged", out, precision="f16", sample=0)
    with pytest.raises(UserError, match="has no adapter"):
        export(ctx, name, "adapter", folder / "adapter", precision="f16", sample=0)
    with pytest.raises(UserError, match="is no GGUF model"):
        export(ctx, name, "gguf", folder / "gguf", precision="f16", sample=0)
    assert not (folder / "adapter").exists() and not (folder / "gguf").exists()
    assert not [path for path in folder.iterdir() if path.name.startswith(".exported")]
    with pytest.raises(UserError, match="no model `nope`"):
        exportable(ctx.spec, "nope")
