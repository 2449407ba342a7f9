"""Emitted training modules: their text, that tools accept it, that it trains, that spec text stays data."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import make_stage, make_student, make_task, tiny
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.inference.formats import prompt_format
from nesyc_runtime.learning import Layout, TrainingRow, encode_items, step_batch, token_loss
from nesyc_runtime.learning.optimizers import TrainOptions
from nesyc_runtime.learning.prepared import import_module

GOLDEN = Path(__file__).parent.parent / "golden" / "python"
STAGES: dict[str, dict[str, Any]] = {
    "direct": {},
    "three_tasks": {
        "id": "nesycd.final",
        "tasks": ("augmented", "answer", "direct"),
        "weights": (1.0, 0.5, 1.0),
        "examples": ("nesycd.cot", "nesycd.errors"),
        "retrieve": "hints",
        "epochs": 2.5,
        "options": {"weight_decay": 0.1, "clip": 0.0},
        "schedule": "linear",
    },
    "distilled": {
        "loss": "jsd",
        "distil": config.Distil(
            teacher="big", beta=0.25, temperature=2.0, top_k=64, mix=0.75, on_policy=(0.0, 0.0), fallback=None
        ),
    },
}
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3), "k") for n in range(5)
]


def emit(**more: Any) -> str:
    return emit_train_module(*spec_of(make_stage(**more), make_student()))


@pytest.mark.parametrize("name", STAGES)
def test_golden(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.py", emit(**STAGES[name]))


@pytest.mark.parametrize("name", STAGES)
def test_is_clean_python(name: str, tmp_path: Path) -> None:
    file = tmp_path / "stage.py"
    file.write_text(emit(**STAGES[name]))
    ruff = shutil.which("ruff", path=str(Path(sys.executable).parent)) or "ruff"
    rules = "E,F,W,I,B,UP,C4,SIM,RUF,RET,PIE,D2,D3"
    common = ["--isolated", "--line-length", "110", str(file)]
    checked = subprocess.run([ruff, "check", "--select", rules, *common], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    formatted = subprocess.run([ruff, "format", "--check", "--diff", *common], capture_output=True, text=True)
    assert formatted.returncode == 0, formatted.stdout


@pytest.mark.slow
def test_passes_mypy(tmp_path: Path) -> None:
    file = tmp_path / "stage.py"
    file.write_text(emit(**STAGES["three_tasks"]))
    root = Path(__file__).parent.parent.parent
    options = ["--config-file", str(root / "pyproject.toml"), "--allow-subclassing-any"]
    ran = subprocess.run(
        [sys.executable, "-m", "mypy", *options, str(file)], capture_output=True, text=True, cwd=root
    )
    assert ran.returncode == 0, ran.stdout


def test_one_step_is_the_papers_loss_and_moves_the_weights(tmp_path: Path) -> None:
    import lightning.pytorch as pl

    from nesyc_runtime.learning.quiet import quiet_lightning

    (tmp_path / "stage.py").write_text(emit(**STAGES["three_tasks"] | {"batch": 5, "epochs": 1.0}))
    module = import_module(tmp_path / "stage.py")
    loaded = tiny(seed=2)
    template = prompt_format(loaded.tokenizer)
    items = encode_items(make_task(), ROWS, ("augmented", "answer", "direct"), template, 100)
    data = module.Examples(items, pad_id=0, seed=0)
    training = module.FineTuning(loaded.model, steps=len(data.steps))
    rows = [row for item in items.items for row in item]
    (micro,) = step_batch(
        rows, {"augmented": 1.0, "answer": 0.5, "direct": 1.0}, 0, Layout(micro_tokens=10**6)
    ).micro_batches
    with torch.no_grad():
        expected = float(token_loss(loaded.model, micro))
    before = loaded.model.lm_head.weight.clone()
    seen: list[float] = []

    class Losses(pl.Callback):
        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
            seen.append(float(outputs["loss"]))

    with quiet_lightning():
        pl.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[Losses()],
        ).fit(training, datamodule=data)
    assert seen == [pytest.approx(expected, rel=1e-5)]
    assert not torch.equal(before, loaded.model.lm_head.weight)
    assert TrainOptions(weight_decay=0.1, clip=0.0) == module.OPTIONS


EVIL = '"""); import os; os.system("x") #'


@pytest.mark.parametrize(
    "field",
    [
        {"schedule": EVIL},
        {"options": {"clip": EVIL}},
        {"options": {EVIL: 1.0}},
        {"options": {"a": "\u2028\n'"}},
    ],
)
def test_spec_text_is_only_ever_a_literal(field: dict[str, Any]) -> None:
    stage, student = make_stage(), make_student()
    spec, ir_stage = spec_of(stage, student)
    from dataclasses import replace

    text = emit_train_module(spec, replace(ir_stage, **field))
    assert calls(text) == calls(emit())
    assert text.isascii()


@given(st.text())
def test_no_file_name_leaves_its_docstring(name: str) -> None:
    from dataclasses import replace

    spec, stage = spec_of(make_stage(), make_student())
    text = emit_train_module(spec, replace(stage, location=replace(stage.location, file=name)))
    assert calls(text) == calls(emit())


@pytest.mark.parametrize("name", [EVIL, "a b", "a.b-c", "", "été"])
def test_a_name_that_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is no name of a spec"):
        emit(id=name)


def calls(text: str) -> list[str]:
    """The structure of a module with its literals left out."""
    tree = ast.parse(text)
    return [
        type(node).__name__
        for node in ast.walk(tree)
        if not isinstance(node, (ast.Constant, ast.Dict)) and not isinstance(node, ast.expr_context)
    ]
