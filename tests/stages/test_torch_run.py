"""The whole engine with a real student: emitted modules, torch, generation; only the KB is the file one."""

from __future__ import annotations

from contextlib import ExitStack
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.report.tables import results_tables
from nesyc_runtime.stages.graph import all_stages
from nesyc_runtime.stages.learner import TorchLearner
from nesyc_runtime.stages.results import make_results, write_results
from nesyc_runtime.stages.run import Options, run
from tests.stages.world import World, make_build


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
    build = make_build(folder, world.values)
    for stage in all_stages(build.spec).values():
        if isinstance(stage, config.FinetuneStage):
            # the runtime's mirror of the IR has the very fields the emitter reads
            text = emit_train_module(cast(Any, build.spec), cast(Any, stage))
            build.train_module(stage).write_text(text)
    with ExitStack() as stack:
        ctx = world.context(stack, limit=3)
        ctx.learner = TorchLearner(build, ctx.project)
        outcome = run(ctx, Options())
        results = make_results(ctx, outcome.nodes, "done")
        write_results(ctx, outcome.nodes, results)
    shown = StringIO()
    Console(file=shown, width=120).print(results_tables(results))
    assert "nesycd.final" in shown.getvalue()
    for timed in (*results["stages"], *results["evaluations"]):
        timed["seconds"] = 0
    return results
