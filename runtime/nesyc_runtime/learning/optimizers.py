"""The optimizer, its schedule, and the options a spec may pass through to them."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from nesyc_runtime.config import Scalar
from nesyc_runtime.errors import UserError

SWITCHES = ("packing", "fused", "gradient_checkpointing", "compile")
PRECISIONS = (
    "32-true",
    "bf16-mixed",
)  # float16 would need its loss scaled, and gradients unscaled before they are clipped


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """`clip` is the greatest norm of the gradient (0: none), `micro_tokens` the tokens of one forward pass at most.

    `packing`: sequences one after another without padding; `fused`: layers that make fewer passes over memory;
    `gradient_checkpointing`: activations are computed again instead of held; `compile`: by torch.compile; `precision`: one of
    Lightning's names. What is None is decided when the training starts.
    """

    weight_decay: float = 0.0
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    clip: float = 1.0
    micro_tokens: int | None = None
    packing: bool | None = None
    fused: bool | None = None
    gradient_checkpointing: bool | None = None
    compile: bool | None = None
    precision: str | None = None

    def __post_init__(self) -> None:
        for name in SWITCHES:
            value = getattr(self, name)
            if not (value is None or isinstance(value, bool)):
                raise UserError(f"options: {name} = {value!r}: true or false is meant")
        if self.micro_tokens is not None and (
            not isinstance(self.micro_tokens, int) or self.micro_tokens < 1
        ):
            raise UserError(
                f"options: micro_tokens = {self.micro_tokens!r}: a whole number from 1 up is meant"
            )
        if self.precision is not None and self.precision not in PRECISIONS:
            known = ", ".join(f'"{name}"' for name in PRECISIONS)
            raise UserError(f"options: precision = {self.precision!r}: one of {known} is meant")
        for name, value in asdict(self).items():
            if name in (*SWITCHES, "precision") or value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
                raise UserError(f"options: {name} = {value!r}: a number from 0 up is meant")
        if self.beta1 >= 1 or self.beta2 >= 1:
            raise UserError("options: beta1 and beta2 must be below 1")


def train_options(options: Mapping[str, Scalar]) -> TrainOptions:
    """The options of a spec; raises UserError on a name that does not exist or a value out of range."""
    known = [field.name for field in fields(TrainOptions)]
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean `{near[0]}`?" if near else f"there are {', '.join(known)}"
            raise UserError(f"options has no `{name}`", hint)
    return TrainOptions(**options)  # type: ignore[arg-type]


def adamw(model: torch.nn.Module, lr: float, options: TrainOptions) -> AdamW:
    """AdamW over the trainable parameters; vectors (norms, biases) are not decayed."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": options.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    betas = (options.beta1, options.beta2)
    return AdamW([group for group in groups if group["params"]], lr=lr, betas=betas, eps=options.eps)


def lr_schedule(optimizer: AdamW, schedule: str, warmup: float, steps: int) -> LambdaLR:
    """`lr_factor` as a scheduler that is stepped once for each optimizer step."""
    return LambdaLR(optimizer, lr_factor(schedule, warmup, steps))


def lr_factor(schedule: str, warmup: float, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at a step (from 0): up in a line over `warmup` of all steps, then down.

    `cosine` and `linear` end at 0 after the last step, `constant` stays.
    """
    rising = math.ceil(warmup * steps)

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        done = min(1.0, (step - rising) / max(1, steps - rising))
        match schedule:
            case "cosine":
                return 0.5 * (1 + math.cos(math.pi * done))
            case "linear":
                return 1 - done
            case _:
                return 1.0

    return factor
