"""What a training begins with: the emitted module, the student, its rows, and how its steps are computed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib.metadata import version
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import code_digest, digest
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning import batches, heads, likeliest
from nesyc_runtime.learning.batches import Steps
from nesyc_runtime.learning.checkpoints import Checkpoint
from nesyc_runtime.learning.encoding import EncodedItems, rounds
from nesyc_runtime.learning.fused import choose_fused
from nesyc_runtime.learning.heads import Head, check_head
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.layouts import Arrangement, Decision, arranged
from nesyc_runtime.learning.likeliest import FOLDER, Asked, bytes_of, rows_digest, with_likeliest
from nesyc_runtime.learning.machine import choose_compiling, choose_precision, choose_recomputing
from nesyc_runtime.learning.on_policy import OwnResponses
from nesyc_runtime.learning.processes import Share
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.segments import causal_model
from nesyc_runtime.learning.stored import StoredTeacher
from nesyc_runtime.learning.teachers import FrozenTeacher, find_teacher, told_targets
from nesyc_runtime.learning.token_files import encoded_once
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.local import weights_identity

MAKERS = (likeliest, heads, batches)  # modules whose code decides what a teacher's likeliest tokens are


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is trained on what: `module` is the emitted one, `data` and `training` are made by it."""

    stage: config.FinetuneStage
    module: ModuleType
    loaded: LoadedStudent
    items: EncodedItems
    teacher: FrozenTeacher | StoredTeacher | None
    data: Any
    training: Any
    decisions: tuple[Decision, ...] = ()

    def own_responses(self, seed: int, history: History, work: Share) -> list[Any]:
        """What lets the student answer anew, where the stage's loss asks for it and has a teacher to ask."""
        share = self.stage.distil.on_policy if self.stage.distil is not None else (0.0, 0.0)
        if self.teacher is None or not any(share):
            return []
        return [OwnResponses(self.loaded, self.data.steps, share, seed, history, work)]


def prepare(
    stage: config.FinetuneStage,
    task: config.Task,
    examples: Sequence[TrainingRow],
    module_path: Path,
    loaded: LoadedStudent,
    project: Project | None,
    teacher: config.Teacher | None,
    seed: int,
    share: Share,
    progress: Callable[[float], None] | None = None,
) -> Prepared:
    """`progress` is told how much a teacher has read of what it reads before the training begins.

    Raises `UserError` as `run_finetune` does.
    """
    module, limit = import_module(module_path), loaded.student.max_tokens
    encode = partial(encoded_once, project, task, examples, stage.tasks, loaded.template, limit)
    items = encode()
    taught, more = None, {}
    decisions: tuple[Decision, ...] = ()
    if stage.distil is not None:
        taught, items, decisions = _taught(stage, teacher, items, examples, loaded, project, share, progress)
        more = {"teacher": taught}
    data = module.Examples(items, pad_id=loaded.template.pad_id, seed=seed)
    data.steps.process, data.steps.processes = share.process, share.processes
    if stage.fade is not None:
        fade_out(data.steps, stage.fade, encode)
    training = module.FineTuning(loaded.model, steps=len(data.steps), **more)
    return Prepared(stage, module, loaded, items, taught, data, training, decisions)


def arrange(prepared: Prepared, checkpoint: Checkpoint | None) -> tuple[Arrangement, str]:
    """How the steps are laid out and computed, as a checkpoint says where there is one; and the precision."""
    model, device, options = prepared.loaded.model, prepared.loaded.device, prepared.module.OPTIONS
    others = [prepared.teacher.model] if isinstance(prepared.teacher, FrozenTeacher) else []
    before = checkpoint.arrangement if checkpoint is not None else None
    check_head(model)
    fused = choose_fused(model, options, device)
    precision = choose_precision(model, options, device)
    arrangement = arranged(prepared.data.steps, [model, *others], options, device, before)
    how = [precision, choose_recomputing(model, options), choose_compiling(model, options)]
    arrangement.decide([*fused, *how, *prepared.decisions])
    return arrangement, precision.choice


def fade_out(steps: Steps, fade: tuple[float, float], encode: Callable[[float], EncodedItems]) -> None:
    """Give each epoch the items with what is left of their retrieved text, and with the targets they have."""
    targets = [{row.training_task: row.targets for row in item} for item in steps.items]
    steps.rounds = [
        tuple(
            tuple(replace(row, targets=known.get(row.training_task)) for row in item)
            for item, known in zip(one.items, targets, strict=True)
        )
        for one in rounds(encode, fade, ceil(steps.steps / steps.steps_per_epoch))
    ]


def _reads_once(stage: config.FinetuneStage) -> bool:
    """Whether a local teacher's likeliest tokens can be kept: it reads the same rows in every epoch, each at least once."""
    asked = stage.distil
    return (
        asked is not None
        and asked.top_k is not None
        and not (any(asked.on_policy) or stage.fade is not None or stage.epochs < 1)
    )


def _taught(
    stage: config.FinetuneStage,
    teacher: config.Teacher | None,
    items: EncodedItems,
    rows: Sequence[TrainingRow],
    loaded: LoadedStudent,
    project: Project | None,
    share: Share,
    progress: Callable[[float], None] | None,
) -> tuple[FrozenTeacher | StoredTeacher | None, EncodedItems, tuple[Decision, ...]]:
    """What the loss compares with, the items with what is known of them, and what was decided about it."""
    assert teacher is not None and stage.distil is not None
    found = find_teacher(stage, teacher, loaded.tokenizer, loaded.device)
    if found is None:
        return None, items, ()
    if isinstance(found, StoredTeacher):
        told = told_targets(stage, teacher, items, rows, loaded.tokenizer)
        return (None, items, ()) if told is None else (found, told, ())
    k = stage.distil.top_k
    known = weights_identity(found.endpoint) if project is not None and _reads_once(stage) else None
    if project is None or k is None or known is None:
        return found.load(), items, ()
    identity, theirs = known
    vocabulary = min(Head(causal_model(loaded.model)).vocabulary, theirs)
    if k >= vocabulary:
        return found.load(), items, ()
    asked = Asked(k, stage.distil.temperature, vocabulary)
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
    size = bytes_of(items, asked) / 2**20
    kept = Decision(
        "teacher's probabilities",
        f"the {k} likeliest of each token kept, {size:.1f} MiB",
        "the same rows in every epoch: the teacher reads them once, and is gone while the student trains",
    )
    return StoredTeacher(vocabulary), told, (kept,)


def import_module(path: Path) -> ModuleType:
    """An emitted training module, imported from its file under a name that shadows nothing."""
    spec = importlib.util.spec_from_file_location(f"_nesyc_train_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path.name} is no Python module", "compile the spec again")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (OSError, SyntaxError, ImportError) as error:
        raise UserError(f"{path.name} cannot be imported: {error}", "compile the spec again") from None
    return module
