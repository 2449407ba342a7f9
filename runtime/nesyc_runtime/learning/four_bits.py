"""A base in four bits, under an adapter in full precision: QLoRA (Dettmers et al., NeurIPS 2023, arXiv 2305.14314).

Only training holds the base so, where memory is short. To answer, it is widened again, to the very values it was trained
with, and the adapter merged: into four bits a merged adapter would be rounded away.
"""

from __future__ import annotations

from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.bases import forget_quantization


def quantization() -> Any:
    """4-bit NormalFloat with its scales quantized too (section 3), products in bfloat16 where the GPU has it.

    Raises UserError where bitsandbytes is not installed.
    """
    import torch
    from transformers import BitsAndBytesConfig

    _library()
    computes = (
        torch.bfloat16 if torch.cuda.is_available() and torch.cuda.is_bf16_supported() else torch.float32
    )
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=computes,
    )


def keep_unpacked(model: Any) -> None:
    """Let gradients pass through the layers whenever they are asked for.

    On a CPU with bfloat16 instructions bitsandbytes packs a layer's weight for answering the first time that it is called outside
    training (to select an epoch, to try a layer), and no gradient passes a packed layer: without an error.
    """
    library = _library()
    for layer in model.modules():
        if isinstance(layer, library.nn.Linear4bit):
            layer.support_avx512bf16_for_cpu = False


def widened(model: Any) -> Any:
    """The model with the values of its four bits in float32, in place.

    Not by transformers' `dequantize`: in 5.x it gives other values where scales are quantized too.
    """
    import torch

    library = _library()
    for parent in list(model.modules()):
        for name, layer in list(parent.named_children()):
            if not isinstance(layer, library.nn.Linear4bit):
                continue
            weight = layer.weight
            values = library.functional.dequantize_4bit(weight.data, weight.quant_state)
            with torch.device("meta"):
                plain = torch.nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
            plain.weight = torch.nn.Parameter(values.to(torch.float32), requires_grad=False)
            plain.bias = layer.bias
            setattr(parent, name, plain)
    forget_quantization(model)
    return model


def _library() -> Any:
    try:
        import bitsandbytes
    except ImportError:
        raise UserError("adapter = qlora(...) needs bitsandbytes", "pip install nesyc[qlora]") from None
    return bitsandbytes
