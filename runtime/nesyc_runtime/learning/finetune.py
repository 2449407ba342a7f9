"""One finetune stage from examples to saved weights: runs the module that the compiler emitted."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any

import lightning.pytorch as pl
import torch

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.batches import Steps
from nesyc_runtime.learning.checkpoints import (
    Checkpoint,
    Checkpoints,
    read_checkpoint,
    restore_parameters,
)
from nesyc_runtime.learning.encoding import EncodedItems, rounds
from nesyc_runtime.learning.fused import choose_fused
from nesyc_runtime.learning.history import History, Progress
from nesyc_runtime.learning.layouts import Arrangement, Decision, arranged
from nesyc_runtime.learning.machine import choose_compiling, choose_precision, choose_recomputing
from nesyc_runtime.learning.memory import SmallerBatches
from nesyc_runtime.learning.on_policy import OwnResponses
from nesyc_runtime.learning.processes import ALONE, Share, trainer_settings
from nesyc_runtime.learning.quiet import quiet_lightning
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.selection import Selection
from nesyc_runtime.learning.stored import StoredTeacher
from nesyc_runtime.learning.students import load_student, save_student
from nesyc_runtime.learning.teachers import FrozenTeacher, load_teacher, told_targets
from nesyc_runtime.learning.token_files import encoded_once
from nesyc_runtime.learning.tracking import Tracked, Tracking, finish, loggers_of
from nesyc_runtime.project import Project

CURVE_POINTS = 200


@dataclass(frozen=True, slots=True)
class TrainReport:
    """What a training did.

    `loss` holds (step, loss) pairs, at most CURVE_POINTS; `scores` (steps taken, share of right answers) pairs where the
    stage selects on a split: the weights are those of the first of the highest; `tokens` counts prompt and response tokens seen,
    padding apart; `truncated` counts the pairs that lost knowledge, prompt or response; `seconds` is training alone;
    `decisions` are those the runtime made about it.
    """

    stage: str
    items: int
    rows: int
    steps: int
    tokens: int
    label_tokens: int
    truncated: Mapping[str, int]
    loss: Sequence[tuple[int, float]] = field(default_factory=tuple)
    scores: Sequence[tuple[int, float]] = field(default_factory=tuple)
    trainable: int = 0
    parameters: int = 0
    seconds: float = 0.0
    decisions: Sequence[Decision] = field(default_factory=tuple)


def run_finetune(
    stage: config.FinetuneStage,
    student: config.Student,
    task: config.Task,
    examples: Sequence[TrainingRow],
    module_path: Path,
    out_dir: Path,
    start_from: Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    *,
    project: Project | None = None,
    device: str = "cpu",
    teacher: config.Teacher | None = None,
    checkpoint_every: float = 30.0,
    tracking: Tracking | None = None,
    score: Callable[[LoadedStudent], float] | None = None,
    warn: Callable[[str], None] | None = None,
    share: Share = ALONE,
) -> TrainReport:
    """Train `student` on `examples` with the emitted module at `module_path`, save weights and report in `out_dir`.

    `start_from` holds the weights of an earlier finetune stage, `teacher` gives the probabilities that the stage's loss
    compares with. `progress` is called with the finished share
    and {"step", "steps", "loss", "tokens_per_second"}, `warn` with a sentence where memory ran out and a step was cut
    smaller. The same seed, data and machine give the same weights,
    also where a training is cut off at any moment and called again: it goes on from a checkpoint beside `out_dir`, written
    about every `checkpoint_every` seconds and gone when the weights are saved. `tracking` says where curves go while it runs.
    `score` says how good a student is: the weights of the epoch with the highest score are saved (`select`). `share` is this
    process's part of a training that several do together; the first of them saves.
    Raises UserError where there is nothing to train on, or the student or an option does not fit.
    """
    if not examples:
        raise UserError(
            f"stage {stage.id} has no examples to train on", "see what `keep` dropped in earlier stages"
        )
    module = import_module(module_path)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loaded = load_student(
            student, weights=start_from, seed=seed, project=project, trainable=True, device=device
        )
        items = encoded_once(project, task, examples, stage.tasks, loaded.template, student.max_tokens)
        more: dict[str, Any] = {}
        if stage.distil is not None:
            teaching, items = _taught(stage, teacher, items, examples, loaded.tokenizer, device)
            more["teacher"] = teaching
        data = module.Examples(items, pad_id=loaded.template.pad_id, seed=seed)
        data.steps.process, data.steps.processes = share.process, share.processes
        if stage.fade is not None:
            _fade(data.steps, stage.fade, task, examples, stage, loaded)
        training = module.FineTuning(loaded.model, steps=len(data.steps), **more)
        resume = out_dir.parent / f".{out_dir.name}.checkpoint"
        checkpoint = read_checkpoint(resume, loaded.model)
        teaching = more.get("teacher")
        models = [loaded.model, *([teaching.model] if isinstance(teaching, FrozenTeacher) else ())]
        before = checkpoint.arrangement if checkpoint is not None else None
        fused = choose_fused(loaded.model, module.OPTIONS, device)
        arrangement = arranged(data.steps, models, module.OPTIONS, device, before)
        precision = choose_precision(module.OPTIONS, device)
        recomputing = choose_recomputing(loaded.model, module.OPTIONS)
        arrangement.decide([*fused, precision, recomputing, choose_compiling(loaded.model, module.OPTIONS)])
        history = History(len(data.steps), progress)
        best = out_dir.parent / f".{out_dir.name}.best"
        selection = score and Selection(best, partial(score, loaded), data.steps.steps_per_epoch, history)
        own = stage.distil.on_policy if stage.distil is not None else (0.0, 0.0)
        callbacks = [
            *([OwnResponses(loaded, data.steps, own, seed, history)] if teaching and any(own) else []),
            history,
            *([selection] if selection is not None else []),
            *([Tracked(tracking, history)] if tracking is not None and share.process == 0 else []),
            Checkpoints(resume, checkpoint, history, arrangement, checkpoint_every),
            # several processes could not go on together where one takes a step again
            *([SmallerBatches(arrangement, history, warn)] if share == ALONE else []),
        ]
        settings = {**trainer_settings(share, device), "precision": precision.choice}
        _fit(
            training,
            data,
            settings,
            history,
            resume,
            checkpoint,
            callbacks,
            tracking if share.process == 0 else None,
        )
        if selection is not None:
            selection.take_best(training.model)
    report = _report(stage, items, arrangement, history, loaded.model)
    if share.process > 0:
        return report
    save_student(loaded, out_dir, {"report.json": asdict(report)})
    resume.unlink(missing_ok=True)
    best.unlink(missing_ok=True)
    return report


def _fade(
    steps: Steps,
    fade: tuple[float, float],
    task: config.Task,
    rows: Sequence[TrainingRow],
    stage: config.FinetuneStage,
    loaded: LoadedStudent,
) -> None:
    """Give each epoch the items with what is left of their retrieved text, and with the targets they have."""
    epochs = ceil(steps.steps / steps.steps_per_epoch)
    limit = loaded.student.max_tokens
    made = rounds(task, rows, stage.tasks, loaded.template, limit, fade, epochs)
    targets = [{row.training_task: row.targets for row in item} for item in steps.items]
    steps.rounds = [
        tuple(
            tuple(replace(row, targets=known.get(row.training_task)) for row in item)
            for item, known in zip(one.items, targets, strict=True)
        )
        for one in made
    ]


def _taught(
    stage: config.FinetuneStage,
    teacher: config.Teacher | None,
    items: EncodedItems,
    rows: Sequence[TrainingRow],
    tokenizer: Any,
    device: str,
) -> tuple[FrozenTeacher | StoredTeacher | None, EncodedItems]:
    """What the loss compares with, and the items with what a server told of them."""
    found = load_teacher(stage, teacher, tokenizer, device)
    if not isinstance(found, StoredTeacher):
        return found, items
    assert teacher is not None
    told = told_targets(stage, teacher, items, rows, tokenizer)
    return (None, items) if told is None else (found, told)


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


def _fit(
    training: Any,
    data: Any,
    settings: Mapping[str, Any],
    history: History,
    resume: Path,
    checkpoint: Checkpoint | None,
    callbacks: list[Any],
    tracking: Tracking | None,
) -> None:
    if checkpoint is not None:
        history.restore(checkpoint.history)
        restore_parameters(training.model, checkpoint)
        data.steps.done = checkpoint.step
    if data.steps.done == len(data.steps):
        return
    resume.parent.mkdir(parents=True, exist_ok=True)
    with quiet_lightning():
        loggers = loggers_of(tracking) if tracking is not None else []
        trainer = pl.Trainer(
            max_epochs=1,  # one pass over `Steps`, which holds the steps of every epoch
            **settings,
            logger=loggers or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=callbacks,
        )
        try:
            trainer.fit(training, datamodule=data)
        finally:
            finish(loggers)


def _report(
    stage: config.FinetuneStage, items: EncodedItems, arrangement: Arrangement, history: History, model: Any
) -> TrainReport:
    stride = max(1, -(-len(history.losses) // CURVE_POINTS))
    last = len(history.losses) - 1
    curve = tuple(
        (step, loss) for step, loss in enumerate(history.losses) if step % stride == 0 or step == last
    )
    parameters = list(model.parameters())
    return TrainReport(
        stage=stage.id,
        items=len(items.items),
        rows=items.rows,
        steps=len(arrangement.steps),
        tokens=history.tokens,
        label_tokens=history.label_tokens,
        truncated=dict(items.cut),
        loss=curve,
        scores=tuple(history.scores),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        parameters=sum(p.numel() for p in parameters),
        seconds=history.seconds,
        decisions=tuple(arrangement.decisions),
    )
