"""How many tokens a text takes: what a `budget` is counted in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nesyc_runtime import config
from nesyc_runtime.project import Project


def token_counts(spec: config.Spec, project: Project) -> Callable[[config.Retrieve], Callable[[str], int]]:
    """For a `retrieve` block what counts a text's tokens: by the student that reads it, the most where several do.

    Tokenizers load when a text is first counted; raises `UserError` where one cannot be had.
    """

    def counter(retrieve: config.Retrieve) -> Callable[[str], int]:
        bases = readers(spec, retrieve.name)
        counts: list[Callable[[str], int]] = []

        def count(text: str) -> int:
            if not counts:
                counts.extend(_count(base, project) for base in bases)
            return max(one(text) for one in counts)

        return count

    return counter


def readers(spec: config.Spec, retrieve: str) -> list[config.Base]:
    """What the students start from that are given what `retrieve` finds; all students' where nothing uses it yet."""
    stages = {
        stage.id: stage
        for pipeline in spec.pipelines
        for stage in pipeline.stages
        if isinstance(stage, config.FinetuneStage)
    }
    names = [stage.student for stage in stages.values() if stage.retrieve == retrieve]
    asked = [answer.model for answer in spec.answers if answer.retrieve == retrieve]
    asked += [evaluate.model for evaluate in spec.evaluates if evaluate.retrieve == retrieve]
    names += [stages[model].student if model in stages else model for model in asked]
    found = [student.base for student in spec.students if not names or student.name in names]
    return list({base.model_dump_json(): base for base in found}.values())


def _count(base: config.Base, project: Project) -> Callable[[str], int]:
    from nesyc_runtime.learning.bases import load_tokenizer

    tokenizer = load_tokenizer(base, project)

    def count(text: str) -> int:
        ids: Sequence[int] = tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        return len(ids)

    return count
