"""The learner of a real run: students of the spec, trained and asked with torch."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.project import Project
from nesyc_runtime.stages.ports import Lesson, Reply

if TYPE_CHECKING:
    from nesyc_runtime.inference.exam import Exam
    from nesyc_runtime.inference.loaded import LoadedStudent


class TorchLearner:
    """Keeps the student asked last in memory. Torch loads when a student is first needed.

    The device is chosen then: see `choose_device`. `warn` gets a sentence where a training has to go another way than it
    was set out on.
    """

    def __init__(
        self,
        build: Build,
        project: Project,
        warn: Callable[[str], None] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._build, self._project, self._warn, self._environment = build, project, warn, environment
        self._loaded: tuple[tuple[str, Path | None], LoadedStudent] | None = None

    @cached_property
    def _chosen(self) -> tuple[str, str]:
        from nesyc_runtime.device import choose_device

        return choose_device(self._environment)

    @property
    def _device(self) -> str:
        return self._chosen[0]

    @property
    def decisions(self) -> list[dict[str, str]]:
        """The device, where one was needed, as it stands in `runs/ID/decisions.json`."""
        if "_chosen" not in self.__dict__:
            return []
        device, why = self._chosen
        return [{"what": "device of the students", "choice": device, "why": why}]

    def train(
        self,
        stage: config.FinetuneStage,
        lessons: Sequence[Lesson],
        *,
        start_from: Path | None,
        out: Path,
        seed: int,
        progress: Callable[[float], None],
        run: str,
        name: str,
        exam: Exam | None = None,
    ) -> None:
        from nesyc_runtime.learning.finetune import run_job
        from nesyc_runtime.learning.job import Job
        from nesyc_runtime.learning.launch import launch, torchrun
        from nesyc_runtime.learning.rows import TrainingRow
        from nesyc_runtime.learning.tracking import Tracking

        self._loaded = None  # room for the one that is trained
        spec = self._build.spec
        tracking = Tracking(
            self._project.runs_dir / run / "logs" / name,
            project=spec.name,
            name=f"{name} {run}",
            services=self._project.tracking,
            settings={"run": run, "seed": seed, **_settings(stage)},
        )
        job = Job(
            stage,
            next(student for student in spec.students if student.name == stage.student),
            next(task for task in spec.tasks if task.name == stage.task),
            [
                TrainingRow(le.id, le.inputs, le.response, le.answer, le.retrieved, le.likely)
                for le in lessons
            ],
            self._build.train_module(stage),
            out,
            start_from,
            seed,
            self._project,
            self._teacher(stage),
            tracking,
            self._device,
            sharded=self._project.training.strategy == "fsdp",
            exam=exam,
        )
        how = self._project.training
        if how.processes == 1 and not how.launcher:
            run_job(job, lambda share, _measures: progress(share), warn=self._warn)
        else:
            launcher = how.launcher or torchrun(how.processes)
            launch(job, launcher, lambda share, _measures: progress(share), warn=self._warn)

    def _teacher(self, stage: config.FinetuneStage) -> config.Teacher | None:
        if stage.distil is None:
            return None
        name = stage.distil.teacher
        return next(teacher for teacher in self._build.spec.teachers if teacher.name == name)

    def respond(
        self,
        student: str,
        weights: Path | None,
        prompts: Sequence[str],
        *,
        seed: int,
        temperature: float,
        max_new_tokens: int | None,
        on_reply: Callable[[int, Reply], None],
    ) -> None:
        from nesyc_runtime.inference.generate import generate

        loaded = self._load(student, weights)
        # each sample of one prompt draws from a stream of its own
        seeds = [seed + index for index in range(len(prompts))] if temperature > 0 else seed
        results = generate(
            loaded, prompts, max_new_tokens=max_new_tokens, temperature=temperature, seeds=seeds
        )
        for result in results:
            on_reply(result.index, Reply(result.text, result.confidence, result.tokens, result.cut))

    def _load(self, name: str, weights: Path | None) -> LoadedStudent:
        from nesyc_runtime.learning.students import load_student

        if self._loaded is None or self._loaded[0] != (name, weights):
            self._loaded = None
            student = next(student for student in self._build.spec.students if student.name == name)
            loaded = load_student(student, weights=weights, project=self._project, device=self._device)
            self._loaded = ((name, weights), loaded)
        return self._loaded[1]


def _settings(stage: config.FinetuneStage) -> dict[str, Any]:
    """What a training is told, in plain values."""
    told = stage.model_dump(exclude={"location", "options"})
    return {name: value if isinstance(value, (int, float)) else str(value) for name, value in told.items()}
