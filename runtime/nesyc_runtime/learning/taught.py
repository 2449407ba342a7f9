"""What a loss over probabilities compares with, settled before the training: told by a server, kept of a local model, or a model
that reads every step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.hashing import code_digest, digest
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning import batches, heads, likeliest
from nesyc_runtime.learning.encoding import EncodedItems
from nesyc_runtime.learning.heads import Head
from nesyc_runtime.learning.layouts import Decision
from nesyc_runtime.learning.likeliest import FOLDER, Asked, bytes_of, rows_digest, with_likeliest
from nesyc_runtime.learning.processes import Share
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.segments import causal_model
from nesyc_runtime.learning.stored import StoredTeacher
from nesyc_runtime.learning.teachers import FrozenTeacher, find_teacher, told_targets
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.local import WeightsIdentity, weights_identity

MAKERS = (likeliest, heads, batches)  # modules whose code decides what a teacher's likeliest tokens are


@dataclass(frozen=True, slots=True)
class Taught:
    """The teacher, None where its tokens are others and cross-entropy stands in; the items with what is known of them."""

    teacher: FrozenTeacher | StoredTeacher | None
    items: EncodedItems
    decisions: tuple[Decision, ...] = ()


def find_taught(
    stage: config.FinetuneStage,
    teacher: config.Teacher,
    items: EncodedItems,
    rows: Sequence[TrainingRow],
    loaded: LoadedStudent,
    project: Project | None,
    share: Share,
    progress: Callable[[float], None] | None,
) -> Taught:
    """Raises `UserError` where the teacher or its answers do not suit the stage's loss."""
    found = find_teacher(stage, teacher, loaded.tokenizer, loaded.device)
    if isinstance(found, StoredTeacher):
        told = told_targets(stage, teacher, items, rows, loaded.tokenizer)
        return Taught(None, items) if told is None else Taught(found, told)
    if found is None:
        return Taught(None, items)
    identity = weights_identity(found.endpoint) if project is not None and _reads_once(stage) else None
    asked = _asked(stage, identity, loaded) if identity is not None else None
    if project is None or asked is None:
        return Taught(found.load(), items)
    made_by = [*(code_digest(Path(str(module.__file__))) for module in MAKERS), version("transformers")]
    key = digest([made_by, identity, asdict(asked), rows_digest(items)])
    told = with_likeliest(
        items,
        asked,
        lambda: found.load().model,
        project.state_dir / FOLDER / key,
        pad_id=loaded.template.pad_id,
        share=share,
        progress=progress,
    )
    kept = Decision(
        "teacher's probabilities",
        f"the {asked.k} likeliest of each token kept, {bytes_of(items, asked) / 2**20:.1f} MiB",
        "the same rows in every epoch: the teacher reads them once, and is gone while the student trains",
    )
    return Taught(StoredTeacher(asked.vocabulary), told, (kept,))


def _reads_once(stage: config.FinetuneStage) -> bool:
    """Whether what a teacher finds likeliest can be kept: its likeliest tokens count, of the same rows in every epoch."""
    assert stage.distil is not None
    changing = any(stage.distil.on_policy) or stage.fade is not None
    return stage.distil.top_k is not None and not changing and stage.epochs >= 1


def _asked(stage: config.FinetuneStage, teacher: WeightsIdentity, loaded: LoadedStudent) -> Asked | None:
    """None where all tokens that both know count."""
    assert stage.distil is not None and stage.distil.top_k is not None
    vocabulary = min(Head(causal_model(loaded.model)).vocabulary, teacher.vocabulary)
    k = stage.distil.top_k
    return Asked(k, stage.distil.temperature, vocabulary) if k < vocabulary else None
