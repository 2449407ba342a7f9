"""The loss of a micro-batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from nesyc_runtime.learning.batches import IGNORED, MicroBatch
from nesyc_runtime.learning.divergences import Divergence
from nesyc_runtime.learning.heads import chunked_entropy, chunked_loss, last_states
from nesyc_runtime.learning.stored import StoredTeacher, targets_of
from nesyc_runtime.learning.teachers import FrozenTeacher


def token_loss(model: Any, micro: MicroBatch) -> Tensor:
    """Sum over label tokens of weight * cross-entropy, a scalar: the micro-batch's part of its step's loss.

    The output head sees the label positions only, and a chunk of them at a time.
    """
    labelled = micro.labels != IGNORED  # (rows, length)
    labels, weights = micro.labels[labelled], micro.weights[labelled]
    states, head = last_states(model, micro.ids, labelled, micro.segments)
    return chunked_entropy(states, head, labels, weights)


def distil_loss(
    model: Any, teacher: FrozenTeacher | StoredTeacher | None, micro: MicroBatch, divergence: Divergence
) -> Tensor:
    """`token_loss` mixed with the divergence from `teacher`, which reads the same tokens; weights as there.

    A `StoredTeacher` has told of some tokens: the others have cross-entropy alone. Responses that the student wrote itself
    have the divergence alone.

    Without a teacher (its tokenizer differs and the stage has a fallback) it is `token_loss`. A padded vocabulary
    is cut to the shorter of the two: what stands beyond is no token.
    """
    if teacher is None:
        return token_loss(model, micro)
    if isinstance(teacher, StoredTeacher):
        return _stored_loss(model, teacher, micro, divergence)
    labelled = micro.labels != IGNORED
    labels, weights = micro.labels[labelled], micro.weights[labelled]
    states, head = last_states(model, micro.ids, labelled, micro.segments)
    apart_share = _shares(micro, divergence.mix)
    with torch.no_grad():
        known, teacher_head = last_states(teacher.model, micro.ids, labelled, micro.segments)
    shared = min(head.vocabulary, teacher_head.vocabulary)

    def loss(logits: Tensor, part: slice) -> Tensor:
        with torch.no_grad():
            wanted = teacher_head(known[part])[:, :shared]
        share = apart_share[part]
        apart = (divergence(logits[:, :shared], wanted) * weights[part] * share).sum()
        if divergence.mix == 1:
            return apart
        return apart + _entropy(logits, labels[part], weights[part] * (1 - share))

    return chunked_loss(states, head, loss)


def _shares(micro: MicroBatch, mix: float) -> Tensor:
    """The divergence's share of the loss at each label position: all of it where the student wrote the response."""
    rows = [torch.full((row.label_tokens,), 1.0 if row.own else mix) for row in micro.rows]
    return torch.cat(rows).to(micro.ids.device)


def _stored_loss(model: Any, teacher: StoredTeacher, micro: MicroBatch, divergence: Divergence) -> Tensor:
    labelled = micro.labels != IGNORED
    labels, weights = micro.labels[labelled], micro.weights[labelled]
    states, head = last_states(model, micro.ids, labelled, micro.segments)
    targets = targets_of(micro.rows, micro.ids.device)
    alone = weights * torch.where(targets.known, 1 - divergence.mix, 1.0)

    def loss(logits: Tensor, part: slice) -> Tensor:
        known = targets.known[part]
        compared = logits[known, : teacher.vocabulary]
        apart = divergence.over_top(compared, targets.top[part][known], targets.log_p[part][known])
        return (apart * weights[part][known]).sum() * divergence.mix + _entropy(
            logits, labels[part], alone[part]
        )

    return chunked_loss(states, head, loss)


def _entropy(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return (F.cross_entropy(logits, labels, reduction="none") * weights).sum()
