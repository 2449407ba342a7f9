"""QLoRA: the base lies in four bits while it trains, and answers with the very values it was trained with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from cut_training import Killed, equal, train_stage
from tiny_student import make_stage, make_student

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning import TrainingRow
from nesyc_runtime.learning.students import load_student, save_student
from nesyc_runtime.project import Project

ROWS = [TrainingRow(f"r{n}", {"question": f"{n} x 3?"}, f"{n} x 3 = {n * 3}.", str(n * 3)) for n in range(8)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """With a model in the folder `model`."""
    pytest.importorskip("bitsandbytes", reason="bitsandbytes is not installed: pip install nesyc[qlora]")
    save_student(load_student(make_student(base=scratch()), seed=1), tmp_path / "model")
    return Project(tmp_path)


def scratch() -> config.Base:
    return config.Base(kind="scratch", architecture={"layers": 2, "width": 64, "heads": 2})


def student(adapter: str = "qlora") -> config.Student:
    return make_student(adapter, base=config.Base(kind="local", path=config.Path(root="", pattern="model")))


def layers(model: Any) -> dict[str, Any]:
    """The linear layers of the base by name, whatever wraps them."""
    found = {name.replace("base_model.model.", ""): module for name, module in model.named_modules()}
    return {
        name: getattr(module, "base_layer", module)
        for name, module in found.items()
        if name.endswith("_proj")
    }


@torch.inference_mode()
def logits(loaded: Any) -> torch.Tensor:
    result: torch.Tensor = loaded.model(torch.tensor([loaded.template.prompt_ids("six sevens")])).logits
    return result


def test_the_base_takes_four_bits_and_only_the_adapter_trains(project: Project) -> None:
    from bitsandbytes.nn import Linear4bit

    loaded = load_student(student(), project=project, trainable=True)
    found = layers(loaded.model)
    assert len(found) == 14 and all(isinstance(layer, Linear4bit) for layer in found.values())
    assert all(layer.weight.numel() * 2 == layer.in_features * layer.out_features for layer in found.values())
    trained = {name for name, one in loaded.model.named_parameters() if one.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    assert {one.dtype for name, one in loaded.model.named_parameters() if name in trained} == {torch.float32}


def test_answers_with_the_values_it_was_trained_with(project: Project, tmp_path: Path) -> None:
    from bitsandbytes.functional import dequantize_4bit

    stage = make_stage(epochs=6.0, lr=3e-2)
    report = train_stage(tmp_path / "weights", stage, student(), ROWS, project=project)
    assert report.loss[-1][1] < report.loss[0][1] - 0.3
    trained = load_student(student(), weights=tmp_path / "weights", project=project, trainable=True)
    trained.model.eval()
    answering = load_student(student(), weights=tmp_path / "weights", project=project)
    assert not answering.model.is_quantized
    torch.testing.assert_close(
        logits(answering), logits(trained), atol=0.05, rtol=0.05
    )  # products are rounded
    full = load_student(student("full"), project=project)
    trained.model.unload()
    for name, layer in layers(trained.model).items():
        values = dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        exact = dict(full.model.named_modules())[name].weight
        assert 0 < (values - exact).norm() < 0.2 * exact.norm()


def test_gradients_pass_also_after_it_answered(project: Project) -> None:
    loaded = load_student(student(), project=project, seed=0, trainable=True)
    ids = torch.tensor([loaded.template.prompt_ids("six sevens")])

    def gradients() -> list[torch.Tensor]:
        loaded.model.zero_grad()
        loaded.model.train()
        loaded.model(input_ids=ids, labels=ids).loss.backward()
        return [one.grad.clone() for one in loaded.model.parameters() if one.requires_grad]

    before = gradients()
    loaded.model.eval()
    logits(loaded)
    assert any(one.abs().sum() > 0 for one in before)
    for one, other in zip(before, gradients(), strict=True):
        torch.testing.assert_close(one, other)


def test_widened_layers_hold_what_their_four_bits_mean(project: Project) -> None:
    from bitsandbytes.functional import dequantize_4bit

    from nesyc_runtime.learning.bases import load_base
    from nesyc_runtime.learning.four_bits import widened

    model, _ = load_base(student().base, project, four_bits=True)
    wanted = {
        name: dequantize_4bit(layer.weight.data, layer.weight.quant_state)
        for name, layer in layers(model).items()
    }
    found = layers(widened(model))
    assert len(wanted) == 14 and found.keys() == wanted.keys()
    assert all(torch.equal(found[name].weight, values) for name, values in wanted.items())
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_a_training_that_was_cut_off_goes_on_to_the_same_weights(project: Project, tmp_path: Path) -> None:
    stage = make_stage(epochs=3.0, lr=1e-2)
    train_stage(tmp_path / "whole", stage, student(), ROWS, project=project)
    with pytest.raises(Killed):
        train_stage(tmp_path / "cut", stage, student(), ROWS, project=project, cut=4)
    train_stage(tmp_path / "cut", stage, student(), ROWS, project=project)
    assert equal(tmp_path / "whole", tmp_path / "cut")


def test_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, project: Project) -> None:
    with pytest.raises(UserError, match="scratch"):
        load_student(make_student("qlora"), trainable=True)
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(UserError, match="needs bitsandbytes") as missing:
        load_student(student(), project=project, trainable=True)
    assert "nesyc[qlora]" in str(missing.value.help)
