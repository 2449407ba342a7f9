"""A Python function that plays the teacher: `def teach(request: dict) -> str`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.functions import failing_as_user, function_digest, load_function
from nesyc_runtime.project import Project
from nesyc_runtime.teachers.base import Answer, Dropped, OnAnswer, Request


class ProgramTeacher:
    """Calls the function once a request with a dict of its own:

    `kind` ("sample", "extract" or "induce"), `task`, `prompt`, `inputs`, `row`, `response` (the student's wrong
    one, for extract and induce), `gold` (output to value, None where the stage hides it), `rationale` (the kept
    one, for extract and induce), `fields` (the entry's columns, for extract), `problem` (why the answer before
    could not be used, None the first time), `index` (which of n), `seed`.
    An empty text or None is no answer.
    """

    stored = True

    def __init__(self, name: str, endpoint: config.ProgramEndpoint, project: Project) -> None:
        self.name = name
        self._target, self._project = endpoint.target, project
        self._function = load_function(endpoint.target, project)
        self.identity: Mapping[str, Any] = {
            "kind": "program",
            "target": endpoint.target,
            "code": function_digest(endpoint.target, project),
        }

    def ask(self, requests: Sequence[Request], on_answer: OnAnswer) -> None:
        for position, request in enumerate(requests):
            text = self._call(request)
            on_answer(position, Answer(text) if text.strip() else Dropped("empty"))

    def _call(self, request: Request) -> str:
        what, help = (
            f"teacher {self.name}: `{self._target}`",
            "mend the program; answers it gave before are kept",
        )
        with failing_as_user(what, self._project, help):
            text = self._function(as_dict(request))
        if text is not None and not isinstance(text, str):
            raise UserError(
                f"teacher {self.name}: `{self._target}` gave {type(text).__name__}, expected text",
                "return a str, or None for no answer",
            )
        return text or ""


def as_dict(request: Request) -> dict[str, Any]:
    return {
        "kind": request.kind,
        "task": request.task,
        "prompt": request.prompt,
        "inputs": dict(request.inputs),
        "row": dict(request.row),
        "response": request.response,
        "gold": None if request.gold is None else dict(request.gold),
        "rationale": request.rationale,
        "fields": list(request.fields),
        "problem": request.problem,
        "index": request.index,
        "seed": request.seed,
    }
