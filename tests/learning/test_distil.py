"""A finetune stage that learns from a teacher's probabilities, with the module that the compiler emits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_student import local_teacher, make_stage, make_student, make_task, make_teacher
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning import TrainingRow, load_student, run_finetune, save_student

TASK = make_task()
ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3)) for n in range(1, 9)
]
DISTIL = config.Distil(
    teacher="big", beta=0.5, temperature=1.0, top_k=None, mix=1.0, on_policy=(0.0, 0.0), fallback=None
)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that knows the rows by heart, saved: it plays the teacher."""
    folder = tmp_path_factory.mktemp("teacher")
    stage, student = make_stage(epochs=150.0, lr=5e-3, batch=8), make_student()
    module = folder / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    run_finetune(stage, student, TASK, ROWS, module, folder / "weights")
    return folder / "weights"


def train(out: Path, taught: config.Teacher, student: Any = None, **more: Any) -> Any:
    stage, student = make_stage(**more), student or make_student()
    module = out.parent / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    return run_finetune(stage, student, TASK, ROWS, module, out, seed=5, teacher=taught)


@pytest.mark.parametrize("kind", ["kl", "reverse_kl", "jsd", "tvd"])
def test_a_student_comes_near_its_teacher(kind: str, taught: Path, tmp_path: Path) -> None:
    more: dict[str, Any] = {"loss": kind, "distil": DISTIL, "epochs": 60.0, "lr": 5e-3, "batch": 8}
    report = train(tmp_path / "w", local_teacher(taught), **more)
    assert report.loss[-1][1] < 0.7 * report.loss[0][1]


def test_the_teachers_weights_stay(taught: Path, tmp_path: Path) -> None:
    before = (taught / "model.safetensors").read_bytes()
    train(tmp_path / "w", local_teacher(taught), loss="kl", distil=DISTIL, epochs=2.0)
    assert (taught / "model.safetensors").read_bytes() == before
    saved = {path.name for path in (tmp_path / "w").iterdir()}
    assert saved == {path.name for path in taught.iterdir()}


def other_tokens(folder: Path) -> Path:
    """A model of the same size whose tokenizer knows one token more."""
    loaded = load_student(make_student())
    loaded.tokenizer.add_tokens(["quux"])
    save_student(loaded, folder)
    return folder


def test_other_tokens_are_an_error_with_a_way_out(tmp_path: Path) -> None:
    other = local_teacher(other_tokens(tmp_path / "other"))
    with pytest.raises(UserError, match=r"E0705.*different tokens") as caught:
        train(tmp_path / "w", other, loss="kl", distil=DISTIL)
    assert "fallback" in caught.value.help


def test_the_fallback_is_plain_training(tmp_path: Path) -> None:
    other = local_teacher(other_tokens(tmp_path / "other"))
    fallen = DISTIL.model_copy(update={"fallback": "cross_entropy"})
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    report = train(tmp_path / "a" / "w", other, loss="kl", distil=fallen)
    plain = train(tmp_path / "b" / "w", other)
    assert report.loss == plain.loss
    assert not torch.tensor([loss for _, loss in report.loss]).isnan().any()


def test_a_teacher_without_probabilities(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="big gives text alone"):
        train(tmp_path / "w", make_teacher(config.ProgramEndpoint(target="a:b")), loss="kl", distil=DISTIL)
