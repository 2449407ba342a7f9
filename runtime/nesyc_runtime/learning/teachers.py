"""A teacher whose probabilities a student learns from: a model on this machine that reads the student's tokens, or a
server that told of its answers' tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.encoding import EncodedItems
from nesyc_runtime.learning.heads import check_head
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.stored import ENOUGH, StoredTeacher, with_targets
from nesyc_runtime.teachers.local import load_tokenizer, load_weights


@dataclass(frozen=True, slots=True)
class FrozenTeacher:
    """A causal model in evaluation mode without gradients.

    It is no submodule of what trains: nothing saves it, shards it, or puts it into training mode.
    """

    model: Any


@dataclass(frozen=True, slots=True)
class LocalWeights:
    """A local model that reads the student's tokens, not loaded yet."""

    name: str
    endpoint: config.LocalEndpoint
    device: str

    def load(self) -> FrozenTeacher:
        """Raises `UserError` where the weights cannot be had, or make their logits in a way that losses here do not follow."""
        model = load_weights(self.name, self.endpoint)
        teacher = FrozenTeacher(model.to(self.device).requires_grad_(False))
        check_head(teacher.model)
        return teacher


def find_teacher(
    stage: config.FinetuneStage, teacher: config.Teacher | None, tokenizer: Any, device: str
) -> LocalWeights | StoredTeacher | None:
    """What gives the stage's teacher's probabilities; None where its tokens are others and the stage has a fallback.

    Raises `UserError` (E0705) where they are others and it has none, or where the stage asks for what cannot be done.
    """
    assert stage.distil is not None and teacher is not None
    if isinstance(teacher.endpoint, config.ServerEndpoint) and teacher.endpoint.top_logprobs:
        return StoredTeacher()
    if not isinstance(teacher.endpoint, config.LocalEndpoint):
        raise UserError(
            f"stage {stage.id}: `{stage.loss}` needs probabilities, {teacher.name} gives text alone",
            'give a teacher with  endpoint = hf("org/name")  or a server with `top_logprobs`, or leave `loss` out',
        )
    theirs = load_tokenizer(teacher.name, teacher.endpoint)
    if theirs.get_vocab() != tokenizer.get_vocab():
        if stage.distil.fallback is not None:
            return None
        raise UserError(
            f"stage {stage.id}: {teacher.name} and the student cut text into different tokens",
            "take a teacher of the student's family, or add  fallback = .cross_entropy",
            code="E0705",
        )
    return LocalWeights(teacher.name, teacher.endpoint, device)


def told_targets(
    stage: config.FinetuneStage,
    teacher: config.Teacher,
    items: EncodedItems,
    rows: Sequence[TrainingRow],
    tokenizer: Any,
) -> EncodedItems | None:
    """The items with what the teacher's server told of their tokens; None where it has other tokens and the stage has a
    fallback.

    Raises `UserError` where nothing was told, or (E0705) where its tokens are others and there is no fallback.
    """
    assert stage.distil is not None
    told = [row.likely for row in rows]
    if not any(told):
        raise UserError(
            f"stage {stage.id}: the server of {teacher.name} told no probabilities with its answers",
            "it has to know `logprobs` and `top_logprobs` of the chat protocol; or leave `loss` out",
        )
    found, share = with_targets(items, told, tokenizer)
    if share >= ENOUGH:
        return found
    if stage.distil.fallback is not None:
        return None
    raise UserError(
        f"stage {stage.id}: {teacher.name} and the student cut text into different tokens: "
        f"{share:.0%} of the answers' text is in tokens of both",
        "take a teacher of the student's family, or add  fallback = .cross_entropy",
        code="E0705",
    )
