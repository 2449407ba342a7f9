"""A student in memory, ready to be trained or asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nesyc_runtime.config import Student
from nesyc_runtime.inference.formats import PromptFormat


@dataclass(frozen=True)
class LoadedStudent:
    """`model` is a causal language model (a PEFT wrapper where the adapter is one) in float32 on `device`."""

    student: Student
    model: Any
    tokenizer: Any
    template: PromptFormat
    device: str = "cpu"
