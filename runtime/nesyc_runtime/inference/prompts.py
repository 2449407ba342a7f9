"""Prompts: a task's template with its holes filled."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from nesyc_runtime.config import Task
from nesyc_runtime.templates import HOLE, value_text

RETRIEVED = "{retrieved}"
# Training tasks that read knowledge, and what each is without it.
PLAIN = {"augmented": "direct", "augmented_answer": "answer"}
READ_KNOWLEDGE = frozenset(PLAIN)

# What each training task asks for where the spec gives no `prompt .task` of its own.
INSTRUCTIONS = {
    "answer": "Give only the answer.",
    "augmented_answer": "Give only the answer.",
    "rationale": "Explain the reasoning, step by step.",
    "answer_given": "Give only the answer that follows from the reasoning.",
    "explain": "Give the answer first, then explain it.",
}


class Prompt(str):
    """A prompt's text, and how it reads with less of the retrieved text: too long a one loses the end of that first."""

    __slots__ = ("_render", "knowledge")
    knowledge: str
    _render: Callable[[str], Prompt] | None

    def __new__(cls, text: str, knowledge: str = "", render: Callable[[str], Prompt] | None = None) -> Prompt:
        made = super().__new__(cls, text)
        made.knowledge, made._render = knowledge, render
        return made

    def told(self, knowledge: str) -> Prompt:
        """The same prompt with `knowledge` in the place of what it holds of it."""
        return self if self._render is None else self._render(knowledge)


def render_prompt(
    task: Task,
    inputs: Mapping[str, object],
    retrieved: str | None = None,
    variant: str = "",
    reasoning: str = "",
) -> Prompt:
    """The prompt of `task` for one item.

    `variant` names a training task; "", `direct` and `augmented` use the main template. `retrieved` fills
    `{retrieved}`; where it is None or blank the lines with that hole vanish. `reasoning` stands in the
    prompt of `answer_given` (in `{reasoning}`, or before the instruction). Values are put in once: a brace
    inside a value stays a brace. Raises KeyError where `inputs` lacks a field that the template names.
    """
    template = prompt_template(task, variant)
    knowledge = (retrieved or "").strip()
    if not knowledge:
        template = "\n".join(line for line in template.split("\n") if RETRIEVED not in line)
    names = {field.name for field in task.inputs}

    def fill(hole: re.Match[str]) -> str:
        name = hole[1]
        if name in names:
            return value_text(inputs[name])
        if name == "retrieved":
            return knowledge
        return reasoning if name == "reasoning" else hole[0]

    text = HOLE.sub(fill, template).strip()
    return Prompt(
        text, knowledge if RETRIEVED in template else "", partial(_told, task, inputs, variant, reasoning)
    )


def _told(task: Task, inputs: Mapping[str, object], variant: str, reasoning: str, knowledge: str) -> Prompt:
    return render_prompt(task, inputs, knowledge, variant, reasoning)


def prompt_template(task: Task, variant: str) -> str:
    """The template a training task uses: its own, or the main one with the instruction line replaced."""
    if variant in task.prompts:
        return task.prompts[variant]
    main = task.prompts[""]
    if variant not in INSTRUCTIONS:
        return main
    kept = _without_instruction(main)
    if variant == "answer_given":
        kept.append("{reasoning}")
    return "\n".join([*kept, INSTRUCTIONS[variant]])


def _without_instruction(template: str) -> list[str]:
    """The lines of `template` but its last non-blank one, kept too where it has a hole (then it is no instruction)."""
    lines = template.rstrip().split("\n")
    return lines if HOLE.search(lines[-1]) else lines[:-1]
