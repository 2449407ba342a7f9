"""Layers that make fewer passes over memory: the same values, gradients written out by hand.

Half of a small model's time on a CPU goes not into its matrices but into reading and writing what lies between them. A
LoRA layer adds into the product it has (no scaled copy, no sum), a norm and a gate hold their inputs alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.heads import product_type
from nesyc_runtime.learning.layouts import ASKED, WIDE, Decision
from nesyc_runtime.learning.optimizers import TrainOptions

CLOSE = (
    1e-4  # of the output's size, that a replaced layer may differ by: more is another layer by the same name
)
TRIED = 7  # positions a replacement is tried with


def choose_fused(model: Any, options: TrainOptions, device: str) -> list[Decision]:
    """Replace layers where that is faster, or where the spec asks for it; what was decided."""
    parameters = {parameter.dtype for parameter in model.parameters()}
    if device != "cpu" or parameters != {torch.float32}:
        why_not = "the model is not in float32 on a CPU"
    elif getattr(model.config.get_text_config(), "hidden_size", 0) < WIDE:
        why_not = f"states of fewer than {WIDE} values: calls would cost more than they save"
    else:
        why_not = ""
    asked = options.fused
    if asked and why_not.startswith("the model"):
        raise UserError(f"options: fused = true: {why_not}", "leave `fused` out")
    if asked is False or (asked is None and why_not):
        return [Decision("layers", "as the model has them", why_not if asked is None else ASKED)]
    done = fuse(model)
    told = ", ".join(f"{count} {kind}" for kind, count in sorted(done.items())) or "none"
    return [Decision("layers", f"fused: {told}", ASKED if asked else "fewer passes over memory on a CPU")]


def fuse(model: Any) -> Counter[str]:
    """Replace what can be replaced in a float32 model on a CPU, in place; how many layers of each kind were.

    A layer is replaced only where it gives the same on a try, in float32. Under autocast it multiplies in autocast's type.
    """
    done: Counter[str] = Counter()
    for module in model.modules():
        for kind, fits, forward in (
            ("LoRA layers", _is_lora, _lora_forward),
            ("norms", _is_norm, _norm_forward),
            ("gates", _is_gate, _gate_forward),
        ):
            if fits(module) and _replaced(module, forward):
                done[kind] += 1
    return done


@torch.no_grad()
def _replaced(module: Any, forward: Callable[..., Tensor]) -> bool:
    width, like = _input(module)
    generator = torch.Generator().manual_seed(0)
    tried = torch.randn(1, TRIED, width, generator=generator).to(like)
    wanted = module(tried)
    original = module.forward
    module.forward = MethodType(forward, module)
    module.unfused = original
    if (module(tried) - wanted).norm() <= CLOSE * wanted.norm():
        return True
    module.forward = original
    return False


def _input(module: Any) -> tuple[int, Tensor]:
    """The width of a layer's input, and a weight of its type and place."""
    if _is_norm(module):
        return len(module.weight), module.weight
    linear = module.gate_proj if _is_gate(module) else module
    return linear.in_features, next(linear.parameters())


def has_fused_adapters(model: Any) -> bool:
    """Whether `fuse` replaced layers of an adapter, whose frozen weights are then cast once."""
    return any(hasattr(module, "unfused") and _is_lora(module) for module in model.modules())


def _is_lora(module: Any) -> bool:
    """A layer of peft with one plain adapter over a plain linear layer, nothing dropped out."""
    if not (hasattr(module, "lora_A") and isinstance(getattr(module, "base_layer", None), torch.nn.Linear)):
        return False
    names = list(module.active_adapters)
    if len(names) != 1 or module.lora_variant or module.fan_in_fan_out or names[0] not in module.lora_A:
        return False
    return isinstance(module.lora_dropout[names[0]], torch.nn.Identity) and not module.lora_bias[names[0]]


def _is_norm(module: Any) -> bool:
    return type(module).__name__.endswith("RMSNorm") and hasattr(module, "variance_epsilon")


def _is_gate(module: Any) -> bool:
    parts = ("gate_proj", "up_proj", "down_proj", "act_fn")
    return all(hasattr(module, part) for part in parts) and "silu" in type(module.act_fn).__name__.lower()


def _lora_forward(self: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    base, kind = self.base_layer, product_type(x)
    learns = kind != base.weight.dtype and base.weight.requires_grad
    if self.disable_adapters or self.merged or args or kwargs or learns:
        plain: Tensor = self.unfused(x, *args, **kwargs)
        return plain
    (name,) = self.active_adapters
    a, b = self.lora_A[name].weight, self.lora_B[name].weight
    output: Tensor = _Lora.apply(x, _in_type(self, kind), base.bias, a, b, self.scaling[name])  # type: ignore[no-untyped-call]
    return output


def _in_type(layer: Any, kind: torch.dtype) -> Tensor:
    """The frozen weight in the type of products, cast once: autocast would cast it in every step."""
    weight: Tensor = layer.base_layer.weight
    if kind == weight.dtype:
        return weight
    now = weight.data_ptr(), weight._version
    if getattr(layer, "cast_from", None) != now:
        layer.cast_from, layer.cast = now, weight.detach().to(kind)
    cast: Tensor = layer.cast
    return cast


def _norm_forward(self: Any, x: Tensor) -> Tensor:
    if x.dtype != self.weight.dtype:
        plain: Tensor = self.unfused(x)
        return plain
    output: Tensor = _Norm.apply(x, self.weight, self.variance_epsilon)  # type: ignore[no-untyped-call]
    return output


def _gate_forward(self: Any, x: Tensor) -> Tensor:
    output: Tensor = self.down_proj(_Gate.apply(self.gate_proj(x), self.up_proj(x)))  # type: ignore[no-untyped-call]
    return output


class _Lora(torch.autograd.Function):
    """x W' + bias + scale (x A') B' for W (out, in), A (rank, in), B (out, rank).

    All products are made, and come out, in the type of W; gradients have the type of what they are of.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        kind = weight.dtype
        flat = x.reshape(-1, x.shape[-1]).to(kind)
        out = F.linear(flat, weight, None if bias is None else bias.to(kind))
        low = flat @ a.to(kind).t()  # (positions, rank)
        out.addmm_(low, b.to(kind).t(), alpha=scale)
        ctx.save_for_backward(flat, weight, a, b, low)
        ctx.scale, ctx.shape, ctx.type = scale, x.shape, x.dtype
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, a, b, low = ctx.saved_tensors
        kind = weight.dtype
        flat = outer.reshape(-1, outer.shape[-1]).to(kind)
        inner = flat @ b.to(kind)  # (positions, rank)
        by_x = None
        if ctx.needs_input_grad[0]:
            by_x = (flat @ weight).addmm_(inner, a.to(kind), alpha=ctx.scale).view(ctx.shape).to(ctx.type)
        by_weight = flat.t() @ x if ctx.needs_input_grad[1] else None
        by_bias = flat.sum(0) if ctx.needs_input_grad[2] else None
        by_a = (inner.t() @ x).to(a.dtype).mul_(ctx.scale) if ctx.needs_input_grad[3] else None
        by_b = (flat.t() @ low).to(b.dtype).mul_(ctx.scale) if ctx.needs_input_grad[4] else None
        return by_x, by_weight, by_bias, by_a, by_b, None


class _Norm(torch.autograd.Function):
    """x / sqrt(mean(x^2) + eps) * weight over the last axis (Zhang and Sennrich 2019)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        inverse = norm.square_().div_(x.shape[-1]).add_(eps).rsqrt_()  # (..., 1)
        ctx.save_for_backward(x, weight, inverse)
        return torch.mul(x, inverse).mul_(weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        by_weight = None
        if ctx.needs_input_grad[1]:
            by_weight = (outer * x * inverse).reshape(-1, len(weight)).sum(0)
        if not ctx.needs_input_grad[0]:
            return None, by_weight, None
        scaled = outer * weight
        # autocast takes vecdot for a product of matrices
        with torch.autocast(outer.device.type, enabled=False):
            share = torch.linalg.vecdot(scaled, x).unsqueeze(-1).mul_(inverse.pow(3)).div_(-x.shape[-1])
        return scaled.mul_(inverse).addcmul_(x, share), by_weight, None


class _Gate(torch.autograd.Function):
    """silu(gate) * up; what silu gives is worked out again for the gradient instead of kept."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        by_up = F.silu(gate).mul_(outer)
        by_gate = torch.ops.aten.silu_backward(outer * up, gate)
        return by_gate, by_up
