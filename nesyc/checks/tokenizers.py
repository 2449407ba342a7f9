"""Which tokenizer a model has, as far as its declaration tells."""

from __future__ import annotations

from nesyc.checks.kinds import Bound

# Repositories by how their names begin, and the vocabulary they share (their model cards and tokenizer files).
FAMILIES = (
    ("Qwen/Qwen2", "qwen2"),
    ("Qwen/Qwen3", "qwen2"),
    ("Qwen/QwQ", "qwen2"),
    ("meta-llama/Llama-3", "llama3"),
    ("meta-llama/Meta-Llama-3", "llama3"),
    ("meta-llama/Llama-2", "llama2"),
    ("TinyLlama/", "llama2"),
    ("HuggingFaceTB/SmolLM2", "smollm"),
    ("HuggingFaceTB/SmolLM-", "smollm"),
    ("google/gemma-2", "gemma2"),
    ("google/gemma-3", "gemma3"),
    ("openai-community/gpt2", "gpt2"),
    ("microsoft/Phi-4", "phi4"),
)


def tokenizer_of(model: object) -> str | None:
    """A name that two models share exactly if their tokens are the same; None where the declaration does not tell."""
    if not isinstance(model, Bound):
        return None
    if model.name == "scratch":
        return "characters" if model["tokenizer"] == "characters" else None
    name = model.values.get("name")
    if model.name != "hf" or not isinstance(name, str):
        return None
    return next((family for start, family in FAMILIES if name.startswith(start)), None)
