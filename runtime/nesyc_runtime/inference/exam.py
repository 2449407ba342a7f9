"""What a student in training is asked, to choose among the weights of its epochs: questions and how they are graded, as data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.inference.answers import item_correct, split_response
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.inference.wordings import join_response

Ask = Callable[[Sequence[str]], list[str]]  # prompts to responses, decoded greedily


@dataclass(frozen=True, slots=True)
class Question:
    """An item of a split: the task's inputs, what its verdict reads of the dataset's row, and what stands of the KB in its prompt."""

    inputs: Mapping[str, Any]
    row: Mapping[str, Any]
    knowledge: str | None


@dataclass(frozen=True, slots=True)
class Exam:
    """`variant` is a training task ("" the task's main prompt); `then` is asked next, the first response given as reasoning."""

    task: config.Task
    variant: str
    then: str | None
    questions: tuple[Question, ...]

    def score(self, ask: Ask) -> float:
        """The share of right answers."""
        task, then = self.task, self.then
        texts = ask([render_prompt(task, one.inputs, one.knowledge, self.variant) for one in self.questions])
        if then is not None:
            given = list(zip(self.questions, texts, strict=True))
            prompts = [render_prompt(task, one.inputs, one.knowledge, then, text) for one, text in given]
            answers = zip(texts, ask(prompts), strict=True)
            texts = [join_response(split_response(task, first), second) for first, second in answers]
        right = [item_correct(task, one.row, text) for one, text in zip(self.questions, texts, strict=True)]
        return sum(right) / len(right)

    def as_json(self) -> dict[str, Any]:
        questions = [asdict(one) for one in self.questions]
        task = self.task.model_dump(mode="json")
        return {"task": task, "variant": self.variant, "then": self.then, "questions": questions}


def read_exam(value: Mapping[str, Any]) -> Exam:
    """What `as_json` gave."""
    questions = tuple(Question(**one) for one in value["questions"])
    return Exam(config.Task.model_validate(value["task"]), value["variant"], value["then"], questions)


def read_of_row(task: config.Task, row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a row that the task's verdict reads."""
    names = _fields(task.metrics[0].value) if task.metrics else frozenset()
    return {name: value for name, value in row.items() if name in names}


def _fields(expression: config.ItemExpr) -> frozenset[str]:
    if isinstance(expression, config.ColumnRef):
        return frozenset({expression.name})
    if isinstance(expression, config.Operation):
        return frozenset(name for argument in expression.arguments for name in _fields(argument))
    return frozenset()
