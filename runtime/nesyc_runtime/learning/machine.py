"""What a machine is asked to do: the device that trains and answers, and how training computes on it."""

from __future__ import annotations

from typing import Any

import torch

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.fused import has_fused_adapters
from nesyc_runtime.learning.layouts import ASKED, Decision
from nesyc_runtime.learning.optimizers import TrainOptions
from nesyc_runtime.learning.segments import causal_model

TILED = 1024  # width of states from which bfloat16 is worth its digits on a CPU with tiles for it
FUSED_TILED = 512  # the same where frozen weights are cast once


def choose_precision(model: Any, options: TrainOptions, device: str) -> Decision:
    """Lightning's name of the precision that a training computes in; its weights stay in float32.

    On a CPU bfloat16 is slower and costs digits, but for one with tiles for it (AMX). There a step of LoRA takes 0.38 times that of
    float32 at a width of 2048, 0.47 times at 1024. At 576, SmolLM2-135M, it takes 0.51 times in the same memory where layers of the
    adapter are fused, before this is asked; else 0.86 times, with 1.28 times the memory: not worth it.
    """
    if options.precision is not None:
        return Decision("precision", options.precision, ASKED)
    if not device.startswith("cuda"):
        if not has_tiles():
            return Decision("precision", "32-true", "the CPU has no tiles for bfloat16")
        least = FUSED_TILED if has_fused_adapters(model) else TILED
        if getattr(model.config.get_text_config(), "hidden_size", 0) < least:
            return Decision("precision", "32-true", f"bfloat16 gains little below states of {least} values")
        return Decision("precision", "bf16-mixed", "the CPU has tiles for bfloat16")
    if torch.cuda.is_bf16_supported():
        return Decision("precision", "bf16-mixed", "the GPU computes in bfloat16")
    return Decision("precision", "32-true", "the GPU has no bfloat16")


def has_tiles() -> bool:
    """Whether the CPU multiplies bfloat16 in tiles (AMX), as far as torch knows (2.10 and later)."""
    ask = getattr(torch.cpu, "get_capabilities", None)
    return ask is not None and bool(ask().get("amx_bf16"))


def choose_recomputing(model: Any, options: TrainOptions) -> Decision:
    """Whether activations are computed again for the gradient instead of held; makes the model do so."""
    if not options.gradient_checkpointing:
        why = (
            "micro-batches are cut to what memory holds" if options.gradient_checkpointing is None else ASKED
        )
        return Decision("activations", "held", why)
    causal = causal_model(model)
    if not getattr(causal, "supports_gradient_checkpointing", False):
        raise UserError("options: gradient_checkpointing = true: the model cannot do it", "leave it out")
    # older versions of transformers have the second name alone; without reentry frozen layers under an adapter need no tricks
    enable = getattr(causal, "activation_checkpointing_enable", None) or causal.gradient_checkpointing_enable
    enable({"use_reentrant": False})
    return Decision("activations", "computed again", ASKED)


def choose_compiling(model: Any, options: TrainOptions) -> Decision:
    """Whether torch.compile works on the model; makes it so."""
    if not options.compile:
        why = "steps differ in length, and most trainings are short" if options.compile is None else ASKED
        return Decision("kernels", "eager", why)
    causal_model(model).base_model.compile(dynamic=True)
    return Decision("kernels", "torch.compile", ASKED)
