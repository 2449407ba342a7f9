"""A whole finetune stage with its emitted module."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_student import make_stage, make_student, make_task
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.inference.generate import generate
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.learning import TrainingRow, load_student, run_finetune
from nesyc_runtime.learning import quiet as quiet_module

TASK = make_task(prompt="{question}\n{retrieved}")
ROWS = [
    TrainingRow(
        f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3), "Count." if n % 2 else None
    )
    for n in range(1, 9)
]


def train(out: Path, seed: int = 0, student: Any = None, **more: Any) -> Any:
    stage, student = make_stage(**more), student or make_student()
    module = out.parent / f"{out.name}_module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    return run_finetune(stage, student, TASK, ROWS, module, out, seed=seed)


def test_a_small_student_learns_its_rows_by_heart(tmp_path: Path) -> None:
    report = train(tmp_path / "w", epochs=250.0, lr=5e-3, batch=8)
    assert report.loss[0][1] > 3 > 0.1 > report.loss[-1][1]
    loaded = load_student(make_student(), weights=tmp_path / "w")
    for result in generate(loaded, [render_prompt(TASK, row.inputs) for row in ROWS]):
        assert item_correct(TASK, {"label": 3 * (result.index + 1)}, result.text)


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_the_same_seed_gives_the_same_weights(adapter: str, tmp_path: Path) -> None:
    student = make_student(adapter, dropout=0.1)
    tasks: dict[str, Any] = {"tasks": ("augmented", "answer", "direct"), "weights": (1.0, 0.5, 1.0)}
    for name, seed, disturb in (("a", 0, 1), ("b", 0, 2), ("c", 1, 1)):
        torch.manual_seed(disturb)
        train(tmp_path / name, seed, student, **tasks)
    file = "model.safetensors" if adapter == "full" else "adapter_model.safetensors"
    a, b, c = (load_file(tmp_path / name / file) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not all(torch.equal(a[name], c[name]) for name in a)


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_training_goes_on_from_earlier_weights(adapter: str, tmp_path: Path) -> None:
    student = make_student(adapter)
    first = train(tmp_path / "a", student=student, epochs=20.0)
    stage = make_stage(epochs=1.0, lr=1e-5)
    module = tmp_path / "a_module.py"
    again = run_finetune(stage, student, TASK, ROWS, module, tmp_path / "b", tmp_path / "a", 0)
    assert again.loss[0][1] < first.loss[0][1]
    assert again.loss[0][1] == pytest.approx(first.loss[-1][1], rel=0.25)


def test_the_report_and_the_progress(tmp_path: Path) -> None:
    stage, student = make_stage(epochs=2.0, batch=3), make_student(max_tokens=16)
    module = tmp_path / "m.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    told: list[tuple[float, dict[str, Any]]] = []
    report = run_finetune(
        stage,
        student,
        TASK,
        ROWS,
        module,
        tmp_path / "w",
        None,
        0,
        lambda share, more: told.append((share, more)),
    )
    assert [round(share, 6) for share, _ in told] == [round(n / 6, 6) for n in range(1, 7)]
    assert told[-1][1]["step"] == told[-1][1]["steps"] == report.steps == 6
    assert [loss for _, loss in report.loss] == [more["loss"] for _, more in told]
    saved = json.loads((tmp_path / "w" / "report.json").read_text())
    assert saved["stage"] == "distil.final" and saved["items"] == saved["rows"] == 8
    assert saved["tokens"] == report.tokens > saved["label_tokens"] > 0
    assert saved["truncated"] == {"prompt": 8}
    assert saved["trainable"] == saved["parameters"] > 0


def test_a_loss_that_is_no_number_stops(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the loss is nan"):
        train(tmp_path / "w", epochs=40.0, lr=1e20, warmup=0.0, options={"clip": 0.0})
    assert not (tmp_path / "w").exists()


def test_no_examples(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no examples"):
        run_finetune(make_stage(), make_student(), TASK, [], tmp_path / "m.py", tmp_path / "w")


def test_a_module_that_cannot_be_imported(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def broken(:\n")
    with pytest.raises(UserError, match="cannot be imported"):
        run_finetune(make_stage(), make_student(), TASK, ROWS, tmp_path / "m.py", tmp_path / "w")


def test_an_unknown_option_stops_before_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no `weight_deacy`"):
        train(tmp_path / "w", options={"weight_deacy": 0.1})


def test_each_silenced_warning_is_still_given(tmp_path: Path, monkeypatch: Any) -> None:
    """Without the list the run warns: an entry that no version gives any more should leave the list."""
    monkeypatch.setattr(quiet_module, "LIGHTNING_WARNINGS", ())
    with pytest.warns(Warning) as caught:
        train(tmp_path / "w")
    assert caught
