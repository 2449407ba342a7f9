"""A training as a folder of files, for processes that are started apart to read."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import read_jsonl, write_json, write_jsonl
from nesyc_runtime.inference.exam import Exam, read_exam
from nesyc_runtime.learning.memory import MemoryRanOut
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.learning.tracking import Tracking
from nesyc_runtime.project import Project, Training
from nesyc_runtime.teachers.likely import Likely


@dataclass(frozen=True, slots=True)
class Job:
    """What `run_finetune` is called with, apart from what only the calling process can do.

    `too_large` has, where memory ran out before, the step and the tokens of the micro-batch that did not fit.
    """

    stage: config.FinetuneStage
    student: config.Student
    task: config.Task
    rows: Sequence[TrainingRow]
    module: Path
    out: Path
    start_from: Path | None
    seed: int
    project: Project
    teacher: config.Teacher | None
    tracking: Tracking | None
    device: str
    sharded: bool = False
    exam: Exam | None = None
    too_large: tuple[int, int] | None = None


def beside(out: Path, what: str) -> Path:
    """Where something lies while the weights in `out` are made."""
    return out.parent / f".{out.name}.{what}"


def write_job(folder: Path, job: Job) -> None:
    models = {name: getattr(job, name) for name in ("stage", "student", "task", "teacher")}
    plain = {name: str(getattr(job, name)) for name in ("module", "out", "device")}
    about: dict[str, Any] = {
        **{name: model and model.model_dump(mode="json") for name, model in models.items()},
        **plain,
        "start_from": job.start_from and str(job.start_from),
        "seed": job.seed,
        "sharded": job.sharded,
        "project": _paths(asdict(replace(job.project, training=Training()))),
        "tracking": job.tracking and _paths(asdict(job.tracking)),
        "exam": job.exam and job.exam.as_json(),
        "too_large": job.too_large,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_jsonl(folder / "rows.jsonl", (_row(row) for row in job.rows))
    write_json(folder / "job.json", about)


def read_job(folder: Path) -> Job:
    about = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    project, tracking = about["project"], about["tracking"]
    return Job(
        config.FinetuneStage.model_validate(about["stage"]),
        config.Student.model_validate(about["student"]),
        config.Task.model_validate(about["task"]),
        [_row_of(value) for value in read_jsonl(folder / "rows.jsonl")],
        Path(about["module"]),
        Path(about["out"]),
        Path(about["start_from"]) if about["start_from"] else None,
        about["seed"],
        Project(
            Path(project["root"]),
            {name: Path(root) for name, root in project["roots"].items()},
            tuple(project["programs"]),
            Path(project["spec_dir"]) if project["spec_dir"] else None,
        ),
        config.Teacher.model_validate(about["teacher"]) if about["teacher"] else None,
        Tracking(**{**tracking, "folder": Path(tracking["folder"])}) if tracking else None,
        about["device"],
        about["sharded"],
        read_exam(about["exam"]) if about["exam"] else None,
        tuple(about["too_large"]) if about["too_large"] else None,
    )


def write_error(folder: Path, error: UserError) -> None:
    told: dict[str, Any] = {"message": error.message, "help": error.help, "code": error.code}
    if isinstance(error, MemoryRanOut):
        told["too_large"] = (error.step, error.tokens)
    write_json(folder / "error.json", told)


def read_error(folder: Path) -> UserError | None:
    file = folder / "error.json"
    if not file.is_file():
        return None
    value = json.loads(file.read_text(encoding="utf-8"))
    if "too_large" in value:
        return MemoryRanOut(*value["too_large"])
    return UserError(value["message"], value["help"], code=value["code"])


def _paths(values: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as text, at the first level and in mappings there."""
    return {
        name: _paths(value) if isinstance(value, dict) else str(value) if isinstance(value, Path) else value
        for name, value in values.items()
    }


def _row(row: TrainingRow) -> dict[str, Any]:
    likely = base64.b64encode(row.likely.pack()).decode() if row.likely is not None else None
    return {**asdict(replace(row, likely=None)), "likely": likely}


def _row_of(value: Mapping[str, Any]) -> TrainingRow:
    likely = value["likely"]
    return TrainingRow(
        **{**value, "likely": Likely.unpack(base64.b64decode(likely)) if likely is not None else None}
    )
