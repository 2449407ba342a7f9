"""Out of memory: the step is taken again in smaller pieces, and the training is the one it would have been."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tiny_student import make_stage, make_student, make_task
from training_spec import spec_of

from nesyc.emit.python import emit_train_module
from nesyc_runtime.device import out_of_memory
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning import TrainingRow, prepared, run_finetune

TASK = make_task(prompt="{question}")
ROWS = [
    TrainingRow(f"r{n}", {"question": "1 + " * (n % 5) + "1?"}, f"It is {n}", str(n)) for n in range(1, 17)
]
HOST = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"


class Killed(BaseException):
    pass


class Faulty:
    """A machine with room for `room` tokens: loss functions above it run out of memory."""

    def __init__(self, room: int, error: BaseException, *, after: int = 0) -> None:
        self.room, self.error, self.after = room, error, after
        self.seen: list[int] = []
        self.failed = 0

    def wrap(self, token_loss: Any) -> Any:
        def loss(model: Any, micro: Any) -> Any:
            found = token_loss(model, micro)  # dropout has drawn its numbers when memory runs out
            if len(self.seen) >= self.after and micro.ids.numel() > self.room:
                self.failed += 1
                assert self.failed < 100, "it goes on for ever"
                raise self.error
            self.seen.append(micro.ids.numel())
            return found

        return loss


def train(
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    faulty: Faulty | None = None,
    cut: int | None = None,
    rows: Sequence[TrainingRow] = ROWS,
    **options: Any,
) -> tuple[Any, list[str]]:
    stage = make_stage(epochs=2.0, batch=8, options=options)
    student = make_student("lora", dropout=0.1)
    module = out.parent / "module.py"
    module.write_text(emit_train_module(*spec_of(stage, student)))
    load = prepared.import_module

    def faulty_module(path: Path) -> Any:
        made = load(path)
        if faulty is not None:
            made.token_loss = faulty.wrap(made.token_loss)  # type: ignore[attr-defined]
        return made

    def progress(_share: float, figures: dict[str, Any]) -> None:
        if figures["step"] == cut:
            raise Killed

    monkeypatch.setattr(prepared, "import_module", faulty_module)
    told: list[str] = []
    try:
        report = run_finetune(
            stage, student, TASK, rows, module, out, seed=1, progress=progress, checkpoint_every=0.0,
            warn=told.append,
        )  # fmt: skip
    finally:
        monkeypatch.setattr(prepared, "import_module", load)
    return report, told


def weights(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "adapter_model.safetensors")


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize("error", [RuntimeError(HOST), torch.OutOfMemoryError("CUDA"), MemoryError()])
def test_it_goes_on_in_smaller_pieces(
    packing: bool, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, none = train(tmp_path / "whole", monkeypatch, packing=packing)
    assert none == []
    faulty = Faulty(120, error, after=2)
    report, told = train(tmp_path / "faulty", monkeypatch, faulty, packing=packing)
    assert faulty.failed >= 1 and len(told) == faulty.failed
    assert "out of memory at step 3" in told[0] and "the batch of 8 items stays" in told[0]
    assert max(faulty.seen[2:]) <= 120 < max(faulty.seen[:2])
    assert (report.steps, report.tokens, report.label_tokens) == (
        whole.steps,
        whole.tokens,
        whole.label_tokens,
    )
    shrunk = [decision.what for decision in report.decisions if "from step" in decision.what]
    assert shrunk == ["micro-batches from step 3"] * faulty.failed
    # before it the same bits; from then on what is dropped at random falls differently on smaller pieces
    assert report.loss[:2] == whole.loss[:2]
    assert [loss for _, loss in report.loss] == pytest.approx([loss for _, loss in whole.loss], rel=0.05)


def test_the_steps_are_those_of_a_training_cut_so_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = Faulty(60, MemoryError())
    report, _ = train(tmp_path / "faulty", monkeypatch, faulty, packing=True)
    assert report.decisions[-1].what == "micro-batches from step 1"
    cut = int(report.decisions[-1].choice.split()[2])
    small, _ = train(tmp_path / "small", monkeypatch, packing=True, micro_tokens=cut)
    a, b = weights(tmp_path / "faulty"), weights(tmp_path / "small")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert report.loss == small.loss


def test_a_training_that_is_cut_off_goes_on_with_the_smaller_pieces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = train(tmp_path / "whole", monkeypatch, Faulty(120, MemoryError(), after=2), packing=True)
    with pytest.raises(Killed):
        train(tmp_path / "cut", monkeypatch, Faulty(120, MemoryError(), after=2), cut=4, packing=True)
    fine = Faulty(10**6, MemoryError())
    again, told = train(tmp_path / "cut", monkeypatch, fine, packing=True)
    assert told == [] and max(fine.seen) <= 120
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert again.decisions == whole.decisions


def test_one_sequence_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="one sequence of") as caught:
        train(tmp_path / "w", monkeypatch, Faulty(3, MemoryError()))
    assert "max_tokens" in caught.value.help
    assert not (tmp_path / "w").exists()


def test_one_long_sequence_among_short_ones_that_does_not_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the long one holds several short ones, so it is not half of the largest micro-batch that has to shrink."""
    rows = [replace(row, inputs={"question": "?" if n else "1 + " * 25}) for n, row in enumerate(ROWS)]
    faulty = Faulty(60, MemoryError())
    with pytest.raises(UserError, match="one sequence of"):
        train(tmp_path / "w", monkeypatch, faulty, rows=rows)
    assert faulty.failed < 20


def test_memory_that_runs_out_while_weights_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def step(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(UserError, match="while the weights were changed"):
        train(tmp_path / "w", monkeypatch)


def test_other_errors_are_not_swallowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        train(tmp_path / "w", monkeypatch, Faulty(0, RuntimeError("shapes do not fit")))


def test_the_machine_s_own_words_are_known() -> None:
    if sys.maxsize < 2**40:
        pytest.skip("needs a 64-bit machine")
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**46)
    assert out_of_memory(caught.value)
    assert not out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not out_of_memory(SimpleNamespace())  # type: ignore[arg-type]
