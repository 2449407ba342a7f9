"""Sequences packed into one row and read apart: linear layers see all tokens at once, attention one sequence at a time.

A mask over blocks would cost attention that grows with the square of the pack; here it grows with that of each sequence,
and nothing of a mask is held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

ATTENTION = "nesyc_segments"
PROBE = (5, 3, 7)  # lengths of the sequences a model is tried with


def causal_model(model: Any) -> Any:
    """The causal model itself, out of what an adapter wraps around it."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def segment_inputs(segments: Sequence[int], device: torch.device) -> dict[str, Any]:
    """What a prepared model is called with: positions that start again at 0, (1, length), and the segments.

    The mask is never read: a model that is given one with four axes makes none of its own, (length, length).
    """
    positions = torch.cat([torch.arange(length, device=device) for length in segments])
    unread = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
    return {"position_ids": positions[None], "attention_mask": unread, "segments": tuple(segments)}


def segment_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Sequence[int] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each segment, (1, length, heads, width); query, key, value are (1, heads, length, width).

    Without `segments` it is transformers' own `sdpa`, of which this is a wrapper.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if segments is None:
        output: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, **options)[0]
        return output, None
    options["is_causal"] = True
    lengths = list(segments)
    parts = zip(*(torch.split(tensor, lengths, 2) for tensor in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, *part, None, **options)[0] for part in parts], 1), None


def attend_in_segments(model: Any) -> None:
    """Let a model that `cannot_pack` has no objection to read packed rows; all others it reads, and decodes, as before."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    AttentionInterface.register(ATTENTION, segment_attention)
    causal_model(model).set_attn_implementation(ATTENTION)


def cannot_pack(config: Any, longest: int) -> str | None:
    """Why a model of this configuration cannot read sequences of up to `longest` tokens apart; None where it can."""
    if config._attn_implementation not in ("sdpa", ATTENTION):
        return f"attention is `{config._attn_implementation}`"
    if any(kind != "full_attention" for kind in getattr(config, "layer_types", None) or ()):
        return "not every layer has full attention"
    window = getattr(config, "sliding_window", None)
    if window is not None and window < longest:
        return f"attention looks back {window} tokens at most"
    return None


@torch.no_grad()
def reads_apart(model: Any) -> bool:
    """Whether a prepared model gives packed sequences the states it gives each alone: tried on a few tokens."""
    causal = causal_model(model)
    training = causal.training
    causal.eval()
    try:
        ids = torch.arange(sum(PROBE), device=causal.device)[None] % causal.config.vocab_size
        alone = [
            causal.base_model(input_ids=part, use_cache=False)[0] for part in torch.split(ids, list(PROBE), 1)
        ]
        packed = causal.base_model(input_ids=ids, use_cache=False, **segment_inputs(PROBE, ids.device))[0]
    except (TypeError, ValueError, RuntimeError):  # a model that takes no positions, or no further arguments
        return False
    finally:
        causal.train(training)
    wanted = torch.cat(alone, 1).float()
    close = 1e-3 if packed.dtype == torch.float32 else 3e-2
    return bool((packed.float() - wanted).norm() <= close * wanted.norm())
