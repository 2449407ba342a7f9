"""What all stages of one run share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.data.rows import Row
from nesyc_runtime.data.splits import Datasets
from nesyc_runtime.hashing import digest
from nesyc_runtime.project import Project
from nesyc_runtime.stages.graph import all_stages, written_kbs
from nesyc_runtime.stages.ports import Found, Item, Knowledge, Learner, Reporter, Rulebook
from nesyc_runtime.stages.shelf import Done, Generations, Shelf
from nesyc_runtime.teachers.open import Teachers
from nesyc_runtime.teachers.store import AnswerStore


@dataclass
class Context:
    """`done` maps node ids to finished stages of this run, `keys` to the key each has now."""

    build: Build
    project: Project
    data: Datasets
    teachers: Teachers
    answers: AnswerStore
    learner: Learner
    knowledge: Knowledge
    reporter: Reporter
    run: str
    shelf: Shelf
    generations: Generations
    rules: Rulebook | None = None
    clock: Callable[[], float] = time.perf_counter
    done: dict[str, Done] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    decisions: list[dict[str, str]] = field(default_factory=list)
    _retrieved: dict[str, list[Found]] = field(default_factory=dict)

    @property
    def spec(self) -> config.Spec:
        return self.build.spec

    def task(self, name: str) -> config.Task:
        return next(task for task in self.spec.tasks if task.name == name)

    def student(self, name: str) -> config.Student:
        return next(student for student in self.spec.students if student.name == name)

    def retrieve(self, name: str) -> config.Retrieve:
        return next(retrieve for retrieve in self.spec.retrieves if retrieve.name == name)

    def folder(self, node: str) -> Path:
        """The folder of a stage this run has finished."""
        return self.done[node].folder

    def found(self, name: str, items: list[Item], *, training: bool) -> list[Found]:
        """What retrieve `name` gives the items; asked of the KB once for the same items and KB state."""
        retrieve = self.retrieve(name)
        written = [self.keys.get(stage.id) for stage in self.writers(retrieve.kb)]
        key = digest([name, training, written, [[item.id, dict(item.inputs)] for item in items]])
        if key not in self._retrieved:
            self._retrieved[key] = self.knowledge.retrieve(retrieve, items, training=training)
        return self._retrieved[key]

    def writers(self, kb: str) -> list[config.Stage]:
        """The stages that write entries or rules into a KB, or take some of them back."""
        stages = all_stages(self.spec)
        return [stage for stage in stages.values() if kb in written_kbs(stage, stages)]


def task_inputs(task: config.Task, values: Mapping[str, Any]) -> dict[str, Any]:
    """The task's inputs among a row's fields."""
    return {field.name: values.get(field.name) for field in task.inputs}


def item_of(task: config.Task, row: Row) -> Item:
    return Item(row.id, task_inputs(task, row.values), row.values)


def gold_of(task: config.Task, values: Mapping[str, Any]) -> dict[str, Any]:
    """Output to its right value, for the outputs whose right value the dataset has."""
    return {output: values.get(name) for output, name in task.target.items()}
