"""One finetune stage from examples to saved weights: runs the module that the compiler emitted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.checkpoints import (
    Checkpoint,
    Checkpoints,
    read_checkpoint,
    restore_parameters,
)
from nesyc_runtime.learning.encoding import EncodedItems
from nesyc_runtime.learning.history import History, Progress
from nesyc_runtime.learning.job import Job, beside
from nesyc_runtime.learning.layouts import Arrangement, Decision
from nesyc_runtime.learning.memory import SmallerBatches, hold_smaller
from nesyc_runtime.learning.prepared import Prepared, arrange, prepare
from nesyc_runtime.learning.processes import ALONE, Share, trainer_settings
from nesyc_runtime.learning.quiet import quiet_lightning
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.selection import Selection, exam_score
from nesyc_runtime.learning.sharding import make_whole, shard_when_fitted
from nesyc_runtime.learning.students import load_student, save_student
from nesyc_runtime.learning.tracking import Tracked, Tracking, finish, loggers_of
from nesyc_runtime.project import Project

CURVE_POINTS = 200
READING = 1 / 3  # of an epoch's time, about, that a teacher of the student's size takes to read its rows


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
    too_large: tuple[int, int] | None = None,
) -> TrainReport:
    """Train `student` on `examples` with the emitted module at `module_path`, save weights and report in `out_dir`.

    `start_from` holds the weights of an earlier finetune stage, `teacher` gives the probabilities that the stage's loss
    compares with. `progress` is called with the finished share
    and {"step", "steps", "loss", "tokens_per_second"} (nothing yet where a teacher reads the rows before), `warn` with a sentence where memory ran out and a step was cut
    smaller. The same seed, data and machine give the same weights,
    also where a training is cut off at any moment and called again: it goes on from a checkpoint beside `out_dir`, written
    about every `checkpoint_every` seconds and gone when the weights are saved. `tracking` says where curves go while it runs.
    `score` says how good a student is: the weights of the epoch with the highest score are saved (`select`). `share` is this
    process's part of a training that several do together; the first of them saves. They raise `MemoryRanOut` where a micro-batch
    does not fit; called again with its step and tokens as `too_large`, they go on with smaller ones.
    Raises UserError where there is nothing to train on, or the student or an option does not fit.
    """
    if not examples:
        raise UserError(
            f"stage {stage.id} has no examples to train on", "see what `keep` dropped in earlier stages"
        )
    resume, best = beside(out_dir, "checkpoint"), beside(out_dir, "best")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loaded = load_student(
            student,
            weights=start_from,
            seed=seed,
            project=project,
            trainable=True,
            device=device,
            placed=not share.sharded,
        )
        told = _Told(progress, stage.epochs) if progress is not None else None
        prepared = prepare(
            stage,
            task,
            examples,
            module_path,
            loaded,
            project,
            teacher,
            seed,
            share,
            told.read if told is not None else None,
        )
        steps = prepared.data.steps
        checkpoint = read_checkpoint(resume, loaded.model)
        arrangement, precision = arrange(prepared, checkpoint)
        if too_large is not None:
            hold_smaller(arrangement, *too_large)
        if share.processes > 1:
            arrangement.decide([Decision("processes", share.told, "asked for by nesyc.yaml")])
        history = History(len(steps), told.trained if told is not None else None)
        selection = score and Selection(best, partial(score, loaded), steps.steps_per_epoch, history, share)
        logged = tracking if share.process == 0 else None
        callbacks = [
            *prepared.own_responses(seed, history, share),
            history,
            *([selection] if selection is not None else []),
            *([Tracked(logged, history)] if logged is not None else []),
            Checkpoints(resume, checkpoint, history, arrangement, checkpoint_every),
            SmallerBatches(arrangement, history, warn, alone=share == ALONE),
        ]
        settings = {**trainer_settings(share, device), "precision": precision}
        _fit(prepared, settings, history, resume, checkpoint, callbacks, logged, share)
        make_whole(loaded.model, keep=share.process == 0)
        if selection is not None and share.process == 0:
            selection.take_best(loaded.model)
    report = _report(stage, prepared.items, arrangement, history, loaded.model)
    if share.process > 0:
        return report
    save_student(loaded, out_dir, {"report.json": asdict(report)})
    if (
        share == ALONE
    ):  # of several processes one may still be about to read these: whoever started them removes them
        resume.unlink(missing_ok=True)
        best.unlink(missing_ok=True)
    return report


def _fit(
    prepared: Prepared,
    settings: Mapping[str, Any],
    history: History,
    resume: Path,
    checkpoint: Checkpoint | None,
    callbacks: list[Any],
    tracking: Tracking | None,
    share: Share,
) -> None:
    training, data = prepared.training, prepared.data
    if checkpoint is not None:
        history.restore(checkpoint.history)
        restore_parameters(training.model, checkpoint)
        data.steps.done = checkpoint.step
    if data.steps.done == len(data.steps):
        return
    resume.parent.mkdir(parents=True, exist_ok=True)
    if share.sharded:
        shard_when_fitted(training)
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
        except (
            SystemExit
        ) as error:  # Lightning's word for an interruption; whoever called wants to end in order
            if isinstance(error.__context__, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        finally:
            finish(loggers)


class _Told:
    """What `progress` is told of a training before which a teacher may read the rows."""

    def __init__(self, progress: Progress, epochs: float) -> None:
        self._progress, self._reading, self._began = progress, READING / (READING + epochs), 0.0

    def read(self, done: float) -> None:
        """The teacher has read this share of what was lacking."""
        self._began = self._reading
        self._progress(self._reading * done, {})

    def trained(self, share: float, figures: dict[str, Any]) -> None:
        self._progress(self._began + (1 - self._began) * share, figures)


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


def run_job(
    job: Job,
    progress: Progress | None,
    *,
    device: str | None = None,
    warn: Callable[[str], None] | None = None,
    share: Share = ALONE,
) -> TrainReport:
    """`run_finetune` of a job, on its device unless another is given."""
    return run_finetune(
        job.stage,
        job.student,
        job.task,
        job.rows,
        job.module,
        job.out,
        job.start_from,
        job.seed,
        progress,
        project=job.project,
        device=device or job.device,
        teacher=job.teacher,
        tracking=job.tracking,
        score=partial(exam_score, job.exam, share) if job.exam is not None else None,
        warn=warn,
        share=share,
        too_large=job.too_large,
    )
