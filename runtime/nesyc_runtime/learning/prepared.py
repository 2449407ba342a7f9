"""What a training begins with: the emitted module, the student, its rows, and how its steps are computed."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.batches import Steps
from nesyc_runtime.learning.checkpoints import Checkpoint
from nesyc_runtime.learning.encoding import EncodedItems, rounds
from nesyc_runtime.learning.fused import choose_fused
from nesyc_runtime.learning.heads import check_head
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.layouts import Arrangement, Decision, arranged
from nesyc_runtime.learning.machine import choose_compiling, choose_precision, choose_recomputing
from nesyc_runtime.learning.on_policy import OwnResponses
from nesyc_runtime.learning.processes import Share
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.stored import StoredTeacher
from nesyc_runtime.learning.taught import Taught, find_taught
from nesyc_runtime.learning.teachers import FrozenTeacher
from nesyc_runtime.learning.token_files import encoded_once
from nesyc_runtime.project import Project


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
    taught, more = Taught(None, items), {}
    if stage.distil is not None:
        assert teacher is not None
        taught = find_taught(stage, teacher, items, examples, loaded, project, share, progress)
        more = {"teacher": taught.teacher}
    items = taught.items
    data = module.Examples(items, pad_id=loaded.template.pad_id, seed=seed)
    data.steps.process, data.steps.processes = share.process, share.processes
    if stage.fade is not None:
        fade_out(data.steps, stage.fade, encode)
    training = module.FineTuning(loaded.model, steps=len(data.steps), **more)
    return Prepared(stage, module, loaded, items, taught.teacher, data, training, taught.decisions)


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
