"""In which format a student is asked, and what of the KB stands in its prompt."""

from __future__ import annotations

from dataclasses import dataclass

from nesyc_runtime import config
from nesyc_runtime.inference.answers import split_response
from nesyc_runtime.inference.prompts import READ_KNOWLEDGE, render_prompt
from nesyc_runtime.inference.wordings import join_response
from nesyc_runtime.stages.ports import Found, Item, Reply

CASCADE = ("rationale", "answer_given")


@dataclass(frozen=True, slots=True)
class Format:
    """`variant` is a training task ("" the task's main prompt), `retrieve` a declaration's name.

    `then` is asked next, with the first response as the reasoning given: a student that learnt rationale and answer as
    two tasks answers in two steps (CasCoD).
    """

    variant: str
    retrieve: str | None
    then: str | None = None

    @property
    def shown(self) -> str:
        return self.variant if self.then is None else f"{self.variant}, {self.then}"


def format_of(
    stage: config.FinetuneStage | None, variant: str | None = None, retrieve: str | None = None
) -> Format:
    """The format of a model's first training task, unless overridden.

    Knowledge stands in the prompt where that task reads knowledge, or where `retrieve` is given.
    """
    chosen = variant or (stage.tasks[0] if stage is not None else "")
    if stage is not None and chosen in CASCADE and set(CASCADE) <= set(stage.tasks):
        return Format(CASCADE[0], retrieve, CASCADE[1])
    own = stage.retrieve if stage is not None and chosen in READ_KNOWLEDGE else None
    return Format("" if chosen == "direct" else chosen, retrieve or own)


def prompt_for(
    task: config.Task, item: Item, format_: Format, found: Found | None, reasoning: str | None = None
) -> str:
    """The prompt of the first step; with `reasoning`, the response to it, that of the step after it."""
    variant = format_.variant if reasoning is None else format_.then or ""
    knowledge = found.text if found is not None else None
    return render_prompt(task, item.inputs, knowledge, variant, reasoning or "")


def two_steps(task: config.Task, first: Reply, second: Reply) -> Reply:
    """Rationale and answer as one response; how sure the student was is what it was of the answer."""
    text = join_response(split_response(task, first.text), second.text)
    cut = tuple(sorted({*first.cut, *second.cut}))
    return Reply(text, second.confidence, first.tokens + second.tokens, cut)
