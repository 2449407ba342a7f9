"""In which format a student is asked, and what of the KB stands in its prompt."""

from __future__ import annotations

from dataclasses import dataclass

from nesyc_runtime import config
from nesyc_runtime.inference.prompts import READ_KNOWLEDGE, render_prompt
from nesyc_runtime.stages.ports import Found, Item


@dataclass(frozen=True, slots=True)
class Format:
    """`variant` is a training task ("" the task's main prompt), `retrieve` a declaration's name."""

    variant: str
    retrieve: str | None


def format_of(
    stage: config.FinetuneStage | None, variant: str | None = None, retrieve: str | None = None
) -> Format:
    """The format of a model's first training task, unless overridden.

    Knowledge stands in the prompt where that task reads knowledge, or where `retrieve` is given.
    """
    chosen = variant or (stage.tasks[0] if stage is not None else "")
    own = stage.retrieve if stage is not None and chosen in READ_KNOWLEDGE else None
    return Format("" if chosen == "direct" else chosen, retrieve or own)


def prompt_for(task: config.Task, item: Item, format_: Format, found: Found | None) -> str:
    return render_prompt(task, item.inputs, found.text if found is not None else None, format_.variant)
