"""Losses over the vocabulary without its logits in memory: the output head runs over a few positions at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.prefixes import Segment
from nesyc_runtime.learning.segments import causal_model, segment_inputs

LOGITS = 2**24  # values of one chunk's logits: 64 MiB in float32
SMALLEST = 16  # positions of a chunk, however large the vocabulary
PROBED = 8  # tokens of a trial
SCALED = (
    "final_logit_softcapping",
    "logit_scale",
    "logits_scaling",
)  # heads that are more than one linear map

ChunkLoss = Callable[[Tensor, slice], Tensor]


class Head:
    """What turns a causal model's states into logits: `head(states)` is (positions, vocabulary).

    `parameters` are the head's own that learn.
    """

    def __init__(self, model: Any) -> None:
        self._linear = model.get_output_embeddings()
        self._config = model.config.get_text_config()
        self.vocabulary = int(self._config.vocab_size)
        self.parameters = [p for p in self._linear.parameters() if p.requires_grad]

    @property
    def weight(self) -> Tensor | None:
        """(vocabulary, width) where logits are the states times this and nothing more, in full precision; else None."""
        scaled = any(getattr(self._config, name, None) is not None for name in SCALED)
        plain = isinstance(self._linear, torch.nn.Linear) and getattr(self._linear, "bias", None) is None
        if scaled or not plain or self._linear.weight.dtype not in (torch.float32, torch.float64):
            return None
        weight: Tensor = self._linear.weight
        return weight

    def __call__(self, states: Tensor) -> Tensor:
        logits: Tensor = self._linear(states)
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        for name in SCALED:
            factor = getattr(self._config, name, None)
            if factor is None:
                continue
            match name:
                case "final_logit_softcapping":
                    logits = torch.tanh(logits / factor) * factor
                case "logit_scale":
                    logits = logits * factor
                case _:
                    logits = logits / factor
        return logits


@torch.no_grad()
def head_agrees(model: Any) -> bool:
    """Whether `Head` makes the logits that the model makes itself, and so decodes by: tried on a few tokens.

    Architectures scale and cap their logits in ways of their own; a loss over others would train for what is never asked.
    """
    causal = causal_model(model)
    training = causal.training
    causal.eval()
    try:
        head = Head(causal)
        ids = torch.arange(PROBED, device=causal.device)[None] % head.vocabulary
        found = head(causal.base_model(input_ids=ids, use_cache=False).last_hidden_state)
        wanted = causal(input_ids=ids, use_cache=False).logits.float()
    finally:
        causal.train(training)
    close = 1e-3 if causal.dtype == torch.float32 else 3e-2
    return bool((found.float() - wanted).norm() <= close * wanted.norm())


def check_head(model: Any) -> None:
    """Raises `UserError` where `head_agrees` does not hold."""
    if not head_agrees(model):
        raise UserError(
            f"a {causal_model(model).config.model_type} makes its logits in a way of its own, which losses here do not follow",
            "take another base",
        )


def product_type(x: Tensor) -> torch.dtype:
    """The type that matrices are multiplied in: autocast's where it is on."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def last_states(
    model: Any, ids: Tensor, wanted: Tensor, segments: Sequence[Segment] | None = None
) -> tuple[Tensor, Head]:
    """The last hidden states at the `wanted` positions, (positions, width), and the head over them.

    `ids` and `wanted` are (rows, length); `segments` say which sequences are packed in the only row, read apart by a
    model that `attend_in_segments` has prepared. `model` may be wrapped by an adapter.
    """
    causal = causal_model(model)
    packed = segment_inputs(segments, ids.device) if segments is not None else {}
    states = causal.base_model(input_ids=ids, use_cache=False, **packed).last_hidden_state
    return states[wanted], Head(causal)


def chunked_loss(states: Tensor, head: Head, loss: ChunkLoss) -> Tensor:
    """The sum of `loss(logits, positions)` over chunks of positions, a scalar with gradients.

    Gradients are made chunk by chunk in the forward pass, so the logits of one chunk are all that is ever held
    (after Hsu et al. 2024, Liger Kernel, section 3.2, where the loss is cross-entropy).
    """
    size = max(SMALLEST, LOGITS // head.vocabulary)
    if not torch.is_grad_enabled():
        return torch.stack([loss(head(states[part]), part) for part in _parts(len(states), size)]).sum()
    total: Tensor = _Chunked.apply(states, head, loss, size, *head.parameters)  # type: ignore[no-untyped-call]
    return total


def chunked_entropy(states: Tensor, head: Head, labels: Tensor, weights: Tensor) -> Tensor:
    """The sum over positions of weight * cross-entropy, a scalar with gradients; as `chunked_loss`, with one chunk's logits
    the only values of their size: probabilities and their gradient take their place."""

    def entropy(logits: Tensor, part: slice) -> Tensor:
        return (F.cross_entropy(logits, labels[part], reduction="none") * weights[part]).sum()

    weight, kind = head.weight, product_type(states)
    if weight is None or states.dtype != weight.dtype or not torch.is_grad_enabled():
        return chunked_loss(states, head, entropy)
    if kind != weight.dtype:
        if weight.requires_grad:
            return chunked_loss(states, head, entropy)
        weight = weight.to(kind)
    size = max(SMALLEST, LOGITS // head.vocabulary)
    total: Tensor = _Entropy.apply(states, weight, labels, weights, size)  # type: ignore[no-untyped-call]
    return total


def _parts(length: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, states: Tensor, head: Head, loss: ChunkLoss, size: int, *learning: Tensor
    ) -> Tensor:
        by_state = torch.empty_like(states)
        by_weight = [torch.zeros_like(weight) for weight in learning]
        total = torch.zeros((), device=states.device, dtype=torch.promote_types(states.dtype, torch.float32))
        for part in _parts(len(states), size):
            with torch.enable_grad():
                some = states[part].detach().requires_grad_()
                value = loss(head(some), part)
            first, *others = torch.autograd.grad(value, [some, *learning])
            by_state[part] = first
            for held, more in zip(by_weight, others, strict=True):
                held += more
            total += value.detach()
        ctx.save_for_backward(by_state, *by_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outer
        by_state, *by_weight = ctx.saved_tensors
        return (by_state * scale, None, None, None, *(held * scale for held in by_weight))


class _Entropy(torch.autograd.Function):
    """For logits z of a position with label y and weight w: w (log sum exp z - z_y), by z: w (softmax z - onehot y).

    Products are made in the type of the head's weight, all else in the type of the states.
    """

    @staticmethod
    def forward(
        ctx: Any, states: Tensor, weight: Tensor, labels: Tensor, weights: Tensor, size: int
    ) -> Tensor:
        kind = weight.dtype
        by_state = torch.empty_like(states)
        by_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        total = torch.zeros((), device=states.device, dtype=states.dtype)
        for part in _parts(len(states), size):
            label, share = labels[part, None], weights[part, None].to(states.dtype)  # (positions, 1)
            some = states[part].to(kind)
            logits = (some @ weight.t()).to(states.dtype)
            right, most = logits.gather(1, label), logits.amax(1, keepdim=True)
            sums = logits.sub_(most).exp_().sum(1, keepdim=True)
            total += ((sums.log() + most - right) * share).sum()
            slope = logits.mul_(share / sums).scatter_add_(1, label, -share).to(kind)
            by_state[part] = slope @ weight
            if by_weight is not None:
                by_weight.addmm_(slope.t(), some)
        ctx.save_for_backward(by_state, by_weight)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = outer
        by_state, by_weight = ctx.saved_tensors
        return by_state * scale, None if by_weight is None else by_weight * scale, None, None, None
