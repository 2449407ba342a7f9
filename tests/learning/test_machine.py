"""The device and the precision, chosen with a reason."""

from __future__ import annotations

import platform
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from cut_training import train_stage, weights
from safetensors.torch import load_file
from tiny_student import make_stage, make_student, make_task

from nesyc_runtime.device import choose_device
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning import TrainingRow
from nesyc_runtime.learning.machine import choose_precision
from nesyc_runtime.learning.optimizers import TrainOptions
from nesyc_runtime.learning.processes import ALONE, trainer_settings


def with_gpu(monkeypatch: pytest.MonkeyPatch, *, there: bool, bf16: bool = True) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "GPU 1")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)


def test_a_gpu_is_taken_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_device({}) == ("cuda", "it is there: GPU 1")
    with_gpu(monkeypatch, there=False)
    assert choose_device({}) == ("cpu", "CUDA finds no GPU")


def test_lightning_trains_on_the_device_the_student_is_on() -> None:
    found = {device: trainer_settings(ALONE, device) for device in ("cpu", "cuda", "cuda:1")}
    assert found == {
        "cpu": {"accelerator": "cpu", "devices": 1},
        "cuda": {"accelerator": "gpu", "devices": [0]},
        "cuda:1": {"accelerator": "gpu", "devices": [1]},
    }


def test_the_environment_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_device({"NESYC_DEVICE": "cpu"})[0] == "cpu"
    assert choose_device({"NESYC_DEVICE": "cuda:1"})[0] == "cuda:1"
    for asked in ("cuda:2", "cuda:-1", "cuda1"):
        with pytest.raises(UserError, match="no such device"):
            choose_device({"NESYC_DEVICE": asked})
    with_gpu(monkeypatch, there=False)
    for asked in ("cuda", "tpu"):
        with pytest.raises(UserError, match=f"NESYC_DEVICE={asked}: there is no such device"):
            choose_device({"NESYC_DEVICE": asked})


def with_tiles(monkeypatch: pytest.MonkeyPatch, *, there: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": there}, raising=False)


def model(width: int = 2048) -> Any:
    config = SimpleNamespace(hidden_size=width)
    config.get_text_config = lambda: config
    return SimpleNamespace(config=config)


def test_precision_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with_gpu(monkeypatch, there=True)
    assert choose_precision(model(), TrainOptions(), "cuda:0").choice == "bf16-mixed"
    assert choose_precision(model(), TrainOptions(precision="32-true"), "cuda").choice == "32-true"
    with_gpu(monkeypatch, there=True, bf16=False)
    assert choose_precision(model(), TrainOptions(), "cuda").choice == "32-true"
    for unknown in ("fp8", "16-mixed"):
        with pytest.raises(UserError, match=f"precision = '{unknown}': one of"):
            TrainOptions(precision=unknown)


@pytest.mark.parametrize(
    ("tiles", "width", "fused", "options", "choice"),
    [
        (False, 2048, True, {}, "32-true"),
        (True, 2048, False, {}, "bf16-mixed"),
        (True, 576, True, {}, "bf16-mixed"),
        (True, 576, False, {}, "32-true"),
        (True, 256, True, {}, "32-true"),
        (True, 2048, True, {"precision": "32-true"}, "32-true"),
        (False, 2048, True, {"precision": "bf16-mixed"}, "bf16-mixed"),
    ],
)
def test_precision_on_a_cpu(
    tiles: bool,
    width: int,
    fused: bool,
    options: dict[str, Any],
    choice: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_tiles(monkeypatch, there=tiles)
    monkeypatch.setattr("nesyc_runtime.learning.machine.has_fused_adapters", lambda _: fused)
    decision = choose_precision(model(width), TrainOptions(**options), "cpu")
    assert decision.choice == choice and decision.why


def test_torch_says_what_the_cpu_has() -> None:
    assert "amx_bf16" in torch.cpu.get_capabilities() or platform.machine() != "x86_64"


ROWS = [
    TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3)) for n in range(1, 7)
]


def train(out: Path, adapter: str = "full", **options: Any) -> Any:
    student = make_student(adapter, dropout=0.0)
    stage = make_stage(epochs=2.0, batch=3, lr=1e-2, options=options)
    return train_stage(out, stage, student, ROWS, task=make_task())


def decided(report: Any) -> dict[str, str]:
    return {decision.what: decision.choice for decision in report.decisions}


@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("packing", [False, True])
def test_activations_computed_again_change_nothing(adapter: str, packing: bool, tmp_path: Path) -> None:
    held = train(tmp_path / "held", adapter, packing=packing)
    again = train(tmp_path / "again", adapter, packing=packing, gradient_checkpointing=True)
    assert decided(held)["activations"] == "held" and decided(again)["activations"] == "computed again"
    assert [loss for _, loss in again.loss] == pytest.approx([loss for _, loss in held.loss], rel=1e-5)


class StandIn:
    """In place of torch.compile, which needs a C compiler and minutes: it keeps what it is given and counts its calls."""

    def __init__(self) -> None:
        self.compiled: list[tuple[Any, dict[str, Any]]] = []
        self.calls = 0

    def __call__(self, call: Any, **options: Any) -> Any:
        self.compiled.append((call.__self__, options))

        def counted(*arguments: Any, **named: Any) -> Any:
            self.calls += 1
            return call(*arguments, **named)

        return counted


@pytest.mark.parametrize("options", [{}, {"compile": False}])
def test_nothing_is_compiled_unasked(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "compile", stand_in := StandIn())
    assert decided(train(tmp_path / "out", **options))["kernels"] == "eager"
    assert stand_in.compiled == []


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_what_is_compiled_is_trained_and_saved_under_its_own_names(
    adapter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = train(tmp_path / "plain", adapter)
    monkeypatch.setattr(torch, "compile", stand_in := StandIn())
    report = train(tmp_path / "compiled", adapter, compile=True)
    assert decided(report)["kernels"] == "torch.compile"
    ((model, settings),) = stand_in.compiled
    assert settings == {"dynamic": True}, "steps differ in length: each would be compiled anew"
    assert stand_in.calls == report.steps == 4, "one forward pass of each step's only micro-batch"
    assert report.loss == plain.loss
    saved, usual = weights(tmp_path / "compiled"), weights(tmp_path / "plain")
    assert saved.keys() == usual.keys()
    assert all(torch.equal(saved[name], usual[name]) for name in usual)
    learnt = {name: value for name, value in model.named_parameters() if value.requires_grad}
    assert len(learnt) == len(saved)
    for name, value in learnt.items():
        (same,) = (key for key in saved if key.endswith(f"model.{name.replace('.default', '')}"))
        assert torch.equal(saved[same], value), name


def test_bfloat16_where_it_is_asked_for(tmp_path: Path) -> None:
    full, half = train(tmp_path / "full"), train(tmp_path / "half", precision="bf16-mixed")
    assert decided(full)["precision"] == "32-true" and decided(half)["precision"] == "bf16-mixed"
    assert full.loss != half.loss
    assert [loss for _, loss in half.loss] == pytest.approx([loss for _, loss in full.loss], rel=0.05)
    (file,) = (tmp_path / "half").glob("*.safetensors")
    assert {tensor.dtype for tensor in load_file(file).values()} == {torch.float32}


def test_a_training_says_how_it_computes(tmp_path: Path) -> None:
    report = train(tmp_path / "out")
    assert {"precision", "activations", "kernels", "layers"} <= decided(report).keys()
    assert all(decision.why for decision in report.decisions)
