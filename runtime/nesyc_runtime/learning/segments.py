"""Sequences packed into one row and read apart: linear layers see all tokens at once, attention one segment at a time.

A mask over blocks would cost attention that grows with the square of the pack; here it grows with that of each sequence,
and a mask is held only where a segment goes on from another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from nesyc_runtime.learning.prefixes import Segment, path_to, sequences

ATTENTION = "nesyc_segments"
# what a model is tried with: four sequences, two of which begin alike
PROBE = (Segment(5), Segment(3), Segment(2, 3, 1), Segment(4, 3, 1), Segment(7))


def causal_model(model: Any) -> Any:
    """The causal model itself, out of what an adapter wraps around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


@dataclass(frozen=True, slots=True)
class Reading:
    """Which tokens of a packed row a segment is, and which others it sees; `mask` (own, seen and own), True where it looks."""

    own: slice
    seen: tuple[slice, ...] = ()
    mask: Tensor | None = None


def segment_inputs(segments: Sequence[Segment], device: torch.device) -> dict[str, Any]:
    """What a prepared model is called with: positions in each sequence, (1, length), and what each segment reads.

    The mask is never read: a model that is given one with four axes makes none of its own, (length, length).
    """
    positions = torch.cat(
        [torch.arange(one.position, one.position + one.length, device=device) for one in segments]
    )
    unread = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=device)
    return {
        "position_ids": positions[None],
        "attention_mask": unread,
        "segments": _readings(segments, device),
    }


def _readings(segments: Sequence[Segment], device: torch.device) -> tuple[Reading, ...]:
    own: list[slice] = []
    readings: list[Reading] = []
    start = 0
    for number, segment in enumerate(segments):
        own.append(slice(start, start + segment.length))
        start += segment.length
        if segment.after is None:
            readings.append(Reading(own[-1]))
            continue
        seen = [own[step] for step in path_to(segments, number)][1:]  # in any order: it is seen whole
        looks = torch.ones(
            segment.length, segment.position + segment.length, dtype=torch.bool, device=device
        ).tril(segment.position)
        readings.append(Reading(own[-1], tuple(seen), looks))
    return tuple(readings)


def segment_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    segments: Sequence[Reading] | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Causal attention inside each sequence, (1, length, heads, width); query, key, value are (1, heads, length, width).

    Without `segments` it is transformers' own `sdpa`, of which this is a wrapper.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if segments is None:
        output: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, **options)[0]
        return output, None
    options["is_causal"] = True  # where there is no mask
    found = []
    for one in segments:
        parts = (*one.seen, one.own)
        keys, values = (
            tensor[:, :, one.own] if not one.seen else torch.cat([tensor[:, :, part] for part in parts], 2)
            for tensor in (key, value)
        )
        found.append(
            sdpa_attention_forward(module, query[:, :, one.own], keys, values, one.mask, **options)[0]
        )
    return torch.cat(found, 1), None


def attend_in_segments(model: Any) -> None:
    """Let a model that `cannot_pack` has no objection to read packed rows; all others it reads, and decodes, as before."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    AttentionInterface.register(ATTENTION, segment_attention)
    causal_model(model).set_attn_implementation(ATTENTION)


def cannot_pack(config: Any, longest: int) -> str | None:
    """Why a model of this configuration cannot read sequences of up to `longest` tokens apart; None where it can."""
    config = config.get_text_config()  # that of a model that reads pictures too
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
        length = sum(segment.length for segment in PROBE)
        ids = torch.arange(length, device=causal.device)[None] % causal.config.get_text_config().vocab_size
        packed = causal.base_model(input_ids=ids, use_cache=False, **segment_inputs(PROBE, ids.device))[0]
        places = [[place for part in parts for place in part] for parts in sequences(PROBE)]
        alone = [causal.base_model(input_ids=ids[:, some], use_cache=False)[0] for some in places]
        packed = torch.cat([packed[:, some] for some in places], 1)
    except (TypeError, ValueError, RuntimeError):  # a model that takes no positions, or no further arguments
        return False
    finally:
        causal.train(training)
    wanted = torch.cat(alone, 1).float()
    close = 1e-3 if packed.dtype == torch.float32 else 3e-2
    return bool((packed.float() - wanted).norm() <= close * wanted.norm())
