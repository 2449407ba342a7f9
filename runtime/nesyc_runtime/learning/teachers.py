"""A teacher whose probabilities a student learns from: a model on this machine that reads the student's tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.teachers.local import load_model


@dataclass(frozen=True, slots=True)
class FrozenTeacher:
    """A causal model in evaluation mode without gradients.

    It is no submodule of what trains: nothing saves it, shards it, or puts it into training mode.
    """

    model: Any


def load_teacher(
    stage: config.FinetuneStage, teacher: config.Teacher | None, tokenizer: Any, device: str
) -> FrozenTeacher | None:
    """The model behind the stage's teacher; None where its tokens are others and the stage has a fallback.

    Raises `UserError` (E0705) where they are others and it has none, or where the stage asks for what cannot be done.
    """
    assert stage.distil is not None and teacher is not None
    if not isinstance(teacher.endpoint, config.LocalEndpoint):
        raise UserError(
            f"stage {stage.id}: `{stage.loss}` needs the probabilities of a model on this machine, "
            f"{teacher.name} is none",
            'give a teacher with  endpoint = hf("org/name")  or leave `loss` out',
        )
    if stage.distil.on_policy > 0:
        raise UserError(
            f"stage {stage.id}: responses of the student's own (`on_policy`) cannot be trained on",
            "leave `on_policy` out",
        )
    model, theirs = load_model(teacher.name, teacher.endpoint)
    if theirs.get_vocab() != tokenizer.get_vocab():
        if stage.distil.fallback is not None:
            return None
        raise UserError(
            f"stage {stage.id}: {teacher.name} and the student cut text into different tokens",
            "take a teacher of the student's family, or add  fallback = .cross_entropy",
            code="E0705",
        )
    return FrozenTeacher(model.to(device).requires_grad_(False))
