"""Training rows: what each training task shows the student and what it must write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nesyc_runtime.config import Task, TrainingTask
from nesyc_runtime.inference.answers import split_response
from nesyc_runtime.inference.prompts import PLAIN, READ_KNOWLEDGE, render_prompt
from nesyc_runtime.inference.wordings import join_response, state_answer
from nesyc_runtime.teachers.likely import Likely


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One example: the item's inputs, the rationale, the answer and what the KB says of it.

    `reasoning` may be the teacher's whole response: what follows the answer match is cut off. `answer` is
    the answer's value as text ("42", "aunt") or the statement of it ("answer: aunt"). `likely` is what a teacher's server
    told of the tokens of its response.
    """

    id: str
    inputs: Mapping[str, Any]
    reasoning: str
    answer: str
    retrieved: str | None = None
    likely: Likely | None = None


@dataclass(frozen=True, slots=True)
class Pair:
    """What one training task shows for one row, and the response it wants."""

    row_id: str
    training_task: TrainingTask
    prompt: str
    response: str


def training_pairs(task: Task, row: TrainingRow, tasks: tuple[TrainingTask, ...]) -> list[Pair]:
    """One pair for each training task.

    `.augmented` needs something retrieved: where nothing was, the row has no `.augmented` pair if `.direct` (the
    same prompt then) is trained beside it, else it is trained on the prompt without knowledge. So it is with
    `.augmented_answer` and `.answer`.
    """
    left_out = set()
    if not (row.retrieved or "").strip():
        left_out = {name for name, plain in PLAIN.items() if plain in tasks}
    return [
        training_pair(task, row, training_task) for training_task in tasks if training_task not in left_out
    ]


def training_pair(task: Task, row: TrainingRow, training_task: TrainingTask) -> Pair:
    """Prompt and response of one training task, the answer stated so that the task's parser reads it back."""
    reasoning = split_response(task, row.reasoning)
    answer = state_answer(task, row.answer)
    match training_task:
        case "direct" | "augmented":
            response = join_response(reasoning, answer)
        case "answer" | "answer_given" | "augmented_answer":
            response = answer
        case "rationale":
            response = reasoning
        case "explain":
            response = f"{answer}\n{reasoning}"
    prompt = render_prompt(
        task,
        row.inputs,
        row.retrieved if training_task in READ_KNOWLEDGE else None,
        training_task,
        reasoning,
    )
    return Pair(row.id, training_task, prompt, response)
