"""How far a student's next-token probabilities are from a teacher's, token by token."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

IMPOSSIBLE = -1e4  # the log-probability of what cannot be: finite, so that 0 times it is 0

Kind = Literal["kl", "reverse_kl", "jsd", "tvd"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """A loss over probabilities, with t the teacher's and s the student's at `temperature`:

    - `kl`: sum t log(t / s), forward (Hinton et al. 2015);
    - `reverse_kl`: sum s log(s / t) (Gu et al. 2024, MiniLLM);
    - `jsd`: beta KL(t | m) + (1 - beta) KL(s | m) with m = beta t + (1 - beta) s (Agarwal et al. 2024, GKD, equation 1);
    - `tvd`: half the sum of |t - s| (Wen et al. 2023).

    The first three are multiplied by temperature squared, which keeps their gradient's size (Hinton et al. 2015,
    section 2). With `top_k`, the teacher's k likeliest tokens stand for themselves and all others together for
    one more: the tail. `mix` is the divergence's share of the loss, cross-entropy has the rest.
    """

    kind: Kind
    beta: float = 0.5
    temperature: float = 1.0
    top_k: int | None = None
    mix: float = 1.0

    def __call__(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Logits (positions, vocabulary) of both give one value for each position."""
        s = torch.log_softmax(student / self.temperature, dim=-1)
        t = torch.log_softmax(teacher / self.temperature, dim=-1)
        if self.top_k is not None and self.top_k < t.shape[-1]:
            s, t = _with_tail(s, t, self.top_k)
        return self._between(s, t)

    def over_top(self, student: Tensor, top: Tensor, log_p: Tensor) -> Tensor:
        """As above, of a teacher known by its likeliest tokens at `temperature`.

        `student` holds logits (positions, vocabulary), `top` ids (positions, k), the likeliest first and -1 where there is
        none, `log_p` their log-probabilities. All other tokens together are one more, for both.
        """
        k = min(self.top_k or top.shape[-1], top.shape[-1])
        top, log_p = top[:, :k], log_p[:, :k]
        absent = top < 0
        s = (
            torch.log_softmax(student / self.temperature, dim=-1)
            .gather(-1, top.clamp_min(0))
            .masked_fill(absent, IMPOSSIBLE)
        )
        t = log_p.masked_fill(absent, IMPOSSIBLE)
        return self._between(torch.cat([s, _rest(s)], -1), torch.cat([t, _rest(t)], -1))

    def _between(self, s: Tensor, t: Tensor) -> Tensor:
        match self.kind:
            case "kl":
                return _kl(t, s) * self.temperature**2
            case "reverse_kl":
                return _kl(s, t) * self.temperature**2
            case "jsd":
                weights = torch.tensor([self.beta, 1 - self.beta], device=s.device, dtype=s.dtype).log()
                m = torch.logaddexp(t + weights[0], s + weights[1])
                return (self.beta * _kl(t, m) + (1 - self.beta) * _kl(s, m)) * self.temperature**2
            case "tvd":
                return 0.5 * (t.exp() - s.exp()).abs().sum(-1)


def _kl(p: Tensor, q: Tensor) -> Tensor:
    """KL(p | q) of log-probabilities over the last axis."""
    return (p.exp() * (p - q)).sum(-1)


def _with_tail(s: Tensor, t: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities over the teacher's k likeliest tokens and the rest as one, (positions, k + 1) each."""
    top, places = t.topk(k, dim=-1)
    same = s.gather(-1, places)
    return torch.cat([same, _rest(same)], -1), torch.cat([top, _rest(top)], -1)


def _rest(log_p: Tensor) -> Tensor:
    """log(1 - sum of p), held away from log 0 where the k tokens have all the mass."""
    mass = log_p.exp().sum(-1, keepdim=True)
    return torch.log((1 - mass).clamp_min(torch.finfo(log_p.dtype).eps))
