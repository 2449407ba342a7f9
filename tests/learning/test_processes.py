"""A training in several processes is the training in one: the same steps, the same losses, the same weights."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cut_training import TASK, weights
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from test_resume import ROWS
from tiny_student import PLACE, local_teacher, make_stage, make_student, make_task, parser
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.exam import Exam, Question
from nesyc_runtime.learning import load_student, run_finetune, save_student
from nesyc_runtime.learning.batches import Layout, step_batch
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.finetune import run_job
from nesyc_runtime.learning.job import Job, beside, read_job, write_job
from nesyc_runtime.learning.launch import launch, torchrun
from nesyc_runtime.learning.processes import Share, share_of
from nesyc_runtime.learning.sharding import shard_when_fitted
from nesyc_runtime.project import Project


@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9)), min_size=1, max_size=9),
    st.integers(1, 4),
    st.booleans(),
    st.integers(4, 30),
)
def test_every_row_falls_to_one_process(
    lengths: list[tuple[int, int]], processes: int, packed: bool, micro_tokens: int
) -> None:
    rows = [
        EncodedRow("direct", tuple(range(prompt + response)), prompt, f"r{number}")
        for number, (prompt, response) in enumerate(lengths)
    ]
    layout = Layout(packed, micro_tokens)
    batches = [step_batch(rows, {"direct": 1.0}, 0, layout, (n, processes)) for n in range(processes)]
    dealt = [
        row.item
        for batch in batches
        for micro in batch.micro_batches
        for row in micro.rows
        if row.label_tokens
    ]
    assert sorted(dealt) == sorted(row.item for row in rows)
    assert len({len(batch.micro_batches) for batch in batches}) == 1, "all go backward equally often"
    total = sum(micro.weights.sum() for batch in batches for micro in batch.micro_batches)
    assert float(total) == pytest.approx(1.0, abs=1e-5)
    assert {batch.label_tokens for batch in batches} == {sum(row.label_tokens for row in rows)}


def job(tmp_path: Path, name: str, **more: Any) -> Job:
    options = {name: more.pop(name) for name in ("packing", "micro_tokens") if name in more}
    options.setdefault("packing", False)
    student = make_student(more.pop("adapter", "full"), dropout=0.0)
    settings: dict[str, Any] = {"batch": 3, "lr": 1e-2, "tasks": ("direct",), "weights": (1.0,), **more}
    sharded = settings.pop("sharded", False)
    stage = make_stage(options=options, **{"epochs": 2.0, **settings})
    module = tmp_path / f"{name}.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    project = Project(tmp_path)
    out = tmp_path / name
    return Job(stage, student, TASK, ROWS, module, out, None, 3, project, None, None, "cpu", sharded)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"adapter": "lora"},
        {"adapter": "full", "packing": True},
        {"adapter": "lora", "micro_tokens": 30, "batch": 5},  # several micro-batches, not as many for both
        {"adapter": "full", "batch": 1},  # one process has nothing to read
        {"adapter": "lora", "sharded": True, "micro_tokens": 30, "batch": 5},
        {"adapter": "full", "sharded": True, "packing": True},  # what is no layer learns too
        {"adapter": "full", "sharded": True, "batch": 1},
    ],
    ids=str,
)
def test_two_processes_train_as_one(settings: dict[str, Any], tmp_path: Path) -> None:
    one = job(tmp_path, "one", **settings)
    alone = run_finetune(one.stage, one.student, one.task, one.rows, one.module, one.out, seed=one.seed)
    shares: list[float] = []
    two = job(tmp_path, "two", **settings)
    launch(two, torchrun(2), lambda share, figures: shares.append(share))
    report = json.loads((two.out / "report.json").read_text())
    assert report["steps"] == alone.steps and report["tokens"] == alone.tokens
    told = {decision["what"]: decision["choice"] for decision in report["decisions"]}
    assert told["processes"] == f"2, each with {'a part of the layers' if two.sharded else 'the whole model'}"
    losses = [loss for _, loss in report["loss"]]
    # parts of a norm round otherwise than the whole, and Adam divides by what is nearly nothing
    close = 1e-4 if two.sharded else 1e-5
    assert losses == pytest.approx([loss for _, loss in alone.loss], rel=close)
    assert len(shares) == alone.steps and shares[-1] == 1.0
    ours, theirs = weights(one.out), weights(two.out)
    assert all(torch.allclose(ours[name], theirs[name], atol=close) for name in ours)
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} <= {".nesy"}


@pytest.mark.slow
@pytest.mark.parametrize("sharded", [False, True])
def test_memory_that_runs_out_in_one_process_makes_all_begin_again_with_less(
    sharded: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"adapter": "lora", "micro_tokens": 100, "batch": 8}
    one = job(tmp_path, "one", **settings)
    alone = run_job(one, None)
    monkeypatch.setattr(
        "nesyc_runtime.learning.launch.WORKER", str(Path(__file__).with_name("short_worker.py"))
    )
    monkeypatch.setenv("ROOM", "60")
    two, warned = job(tmp_path, "two", sharded=sharded, **settings), []
    launch(two, torchrun(2)[:-1], warn=warned.append)
    assert warned and all(one.startswith("out of memory at step 1: goes on with") for one in warned)
    report = json.loads((two.out / "report.json").read_text())
    assert [loss for _, loss in report["loss"]] == pytest.approx([loss for _, loss in alone.loss], rel=1e-4)
    told = {decision["what"]: decision["choice"] for decision in report["decisions"]}
    assert told["micro-batches from step 1"] in warned[-1] and "of 8 items stays" in warned[-1]
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith(".")} <= {".nesy"}
    if not sharded:
        monkeypatch.setenv("ROOM", "1")
        single = job(tmp_path, "none", **{**settings, "micro_tokens": 1})
        with pytest.raises(UserError, match="with one sequence of"):
            launch(single, torchrun(2)[:-1])


GRADED = make_task(
    parser("rest"),
    prompt="{question}\n{retrieved}",
    metrics=(
        config.Metric(
            name="accuracy",
            function="mean",
            value=config.Operation(
                operator="contains",
                arguments=(
                    config.ColumnRef(scope="output", name="answer"),
                    config.ColumnRef(scope="row", name="label"),
                ),
            ),
            group=None,
            location=PLACE,
        ),
    ),
)


def asking(tmp_path: Path, name: str, start_from: Path, *, sharded: bool = False, own: bool = False) -> Job:
    """A training that is scored after each epoch, and learns from responses of its own where `own`."""
    weights_of_teacher = tmp_path / "teacher"
    if not weights_of_teacher.exists():
        save_student(load_student(make_student(), seed=9), weights_of_teacher)
    distil = config.Distil(
        teacher="big", beta=None, temperature=1.0, top_k=None, mix=0.5, on_policy=(0.4, 0.9), fallback=None
    )
    more: dict[str, Any] = {"loss": "kl", "distil": distil} if own else {}
    made = job(tmp_path, name, sharded=sharded, epochs=3.0, **{**more, "lr": 1e-3})
    questions = [Question({"question": f"{n} x 3?"}, {"label": "3.=x1"[n % 5]}, None) for n in range(9)]
    exam = Exam(GRADED, "", None, tuple(questions))
    return replace(
        made, exam=exam, start_from=start_from, teacher=local_teacher(weights_of_teacher) if own else None
    )


@pytest.mark.slow
@pytest.mark.parametrize(("sharded", "own"), [(False, False), (False, True), (True, False), (True, True)])
def test_two_processes_ask_the_student_as_one(sharded: bool, own: bool, tmp_path: Path) -> None:
    """What a student begins with here it has learnt well enough to say something, so scores are not those of chance."""
    before = job(tmp_path, "before", epochs=16.0)
    run_job(before, None)
    one = asking(tmp_path, "one", before.out, own=own)
    alone = run_job(one, None)
    assert len(alone.scores) == 3 and max(score for _, score in alone.scores) > 0
    two = asking(tmp_path, "two", before.out, sharded=sharded, own=own)
    launch(two, torchrun(2))
    report = json.loads((two.out / "report.json").read_text())
    assert [tuple(pair) for pair in report["scores"]] == list(alone.scores)
    assert [loss for _, loss in report["loss"]] == pytest.approx([loss for _, loss in alone.loss], rel=1e-4)
    ours, theirs = weights(one.out), weights(two.out)
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-4) for name in ours)
    assert not list(tmp_path.glob(".*.best"))


def test_an_exam_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = asking(tmp_path, "x", tmp_path / "before", own=True)
    write_job(tmp_path / "job", made)
    assert read_job(tmp_path / "job") == made


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["lora", "full"])
def test_a_sharded_training_goes_on_where_it_was_cut_off(adapter: str, tmp_path: Path) -> None:
    unbroken = job(tmp_path, "unbroken", adapter=adapter, sharded=True)
    launch(unbroken, torchrun(2))
    cut = job(tmp_path, "cut", adapter=adapter, sharded=True)
    folder = tmp_path / "job"
    write_job(folder, cut)
    worker = str(Path(__file__).with_name("cut_worker.py"))
    command = [*torchrun(2)[:-1], worker, str(folder)]
    assert subprocess.run([*command, "5"], capture_output=True, check=False).returncode != 0
    checkpoint = beside(cut.out, "checkpoint")
    with safe_open(checkpoint, framework="pt") as opened:
        assert json.loads(opened.metadata()["training"])["step"] == 4
    losses: list[float] = []
    launch(cut, torchrun(2), lambda share, figures: losses.append(figures["loss"]))
    wanted = [loss for _, loss in json.loads((unbroken.out / "report.json").read_text())["loss"]]
    assert losses == pytest.approx(wanted[4:], rel=1e-6)
    ours, theirs = weights(unbroken.out), weights(cut.out)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


STATES = """
import sys
sys.path[:0] = sys.argv[1:3]
import torch
from torch.distributed.fsdp import FSDPModule
from types import SimpleNamespace
from tiny_student import tiny
from nesyc_runtime.learning import sharding
torch.distributed.init_process_group("gloo")
mesh = torch.distributed.device_mesh.init_device_mesh("cpu", (2,), mesh_dim_names=("data_parallel",))
model = tiny().model
sharding._configure_model(SimpleNamespace(model=model, device_mesh=mesh))
with torch.no_grad():
    model(input_ids=torch.tensor([[1, 2, 3]]))
layers = [module for module in model.modules() if isinstance(module, FSDPModule)]
held = sum(p.to_local().numel() for layer in layers for p in layer.parameters() if sharding.is_sharded(p))
every = sum(p.numel() for layer in layers for p in layer.parameters())
assert len(layers) == 2 and 0.4 * every < held < 0.6 * every, (held, every)
sharding.make_whole(model, keep=torch.distributed.get_rank() == 0)
whole = not any(map(sharding.is_sharded, model.parameters()))
assert whole == (torch.distributed.get_rank() == 0)
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_a_layer_is_whole_only_while_it_computes(tmp_path: Path) -> None:
    script, here = tmp_path / "states.py", Path(__file__).resolve().parent
    script.write_text(STATES)
    done = subprocess.run(
        [*torchrun(2)[:-1], str(script), str(here), str(here.parent)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_base_in_four_bits_is_not_sharded() -> None:
    packed = type("Params4bit", (torch.nn.Parameter,), {})(torch.ones(2))
    model = torch.nn.Module()
    model.register_parameter("weight", packed)
    with pytest.raises(UserError, match="strategy fsdp: a base in four bits cannot be sharded"):
        shard_when_fitted(SimpleNamespace(model=model))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_processes_end_with_whoever_started_them(tmp_path: Path) -> None:
    starter = "import sys; sys.path[:0] = sys.argv[1:3]; import test_processes as t; t.train_on(t.Path(sys.argv[3]))"
    here = Path(__file__).resolve().parent
    process = subprocess.Popen(
        [sys.executable, "-c", starter, str(here), str(here.parent), str(tmp_path)], stdout=subprocess.PIPE
    )
    with process, process.stdout as told:  # type: ignore[union-attr]
        workers = [int(number) for number in told.readline().split()]
        assert len(workers) == 2 and all(map(alive, workers))
        process.kill()
        ended = time.monotonic() + 60
        while any(map(alive, workers)) and time.monotonic() < ended:
            time.sleep(0.05)
    assert not any(map(alive, workers))


def train_on(folder: Path) -> None:
    """A training of thousands of steps in two processes; tells their numbers when they train."""
    long = job(folder, "long")
    stage = long.stage.model_copy(update={"epochs": 5000.0})
    long.module.write_text(emit_train_module(*spec_of(stage, long.student)))
    before: list[int] = []

    def tell(_share: float, _figures: dict[str, Any]) -> None:
        if not before:
            before.extend(workers_of(folder))
            print(*before, flush=True)

    launch(replace(long, stage=stage), torchrun(2), tell)


def workers_of(folder: Path) -> list[int]:
    """The processes that train a job of this folder, launchers apart."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode().split("\0")
            if any(word.startswith(str(folder)) for word in words) and "torch.distributed.run" not in words:
                found.append(int(entry.name))
    return [number for number in found if number != os.getpid()]


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.slow
def test_what_a_process_has_to_say_reaches_the_user(tmp_path: Path) -> None:
    wrong = job(tmp_path, "wrong")
    wrong.module.write_text("import nothing_of_that_name\n")
    with pytest.raises(UserError, match=r"wrong\.py cannot be imported: No module named") as caught:
        launch(wrong, torchrun(2))
    assert caught.value.help == "compile the spec again"


def test_a_launcher_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="launcher no-such-launcher cannot be started"):
        launch(job(tmp_path, "x"), ["no-such-launcher"])


def test_a_process_that_dies(tmp_path: Path) -> None:
    dies = [sys.executable, "-c", "import sys; sys.stderr.write('no more memory'); sys.exit(9)"]
    with pytest.raises(UserError, match="ended with 9: no more memory"):
        launch(job(tmp_path, "x"), dies)


def test_shares_as_launchers_say_them() -> None:
    assert share_of({}).processes == 1
    run = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    assert share_of(run) == Share(3, 4, 2)
    slurm = {"SLURM_PROCID": "1", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4"}
    assert share_of(slurm) == Share(1, 8, 4)
    assert "RANK" not in os.environ
