"""The loss of a micro-batch."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from nesyc_runtime.learning.batches import IGNORED, MicroBatch


def token_loss(model: Any, micro: MicroBatch) -> Tensor:
    """Sum over label tokens of weight * cross-entropy, a scalar: the micro-batch's part of its step's loss.

    The output head sees the label positions only, so logits of shape (rows, length, vocabulary) never exist.
    """
    labelled = micro.labels != IGNORED  # (rows, length)
    logits = model(
        input_ids=micro.ids, use_cache=False, logits_to_keep=labelled
    ).logits  # (labels, vocabulary)
    losses = F.cross_entropy(logits.float(), micro.labels[labelled], reduction="none")
    return (losses * micro.weights[labelled]).sum()
