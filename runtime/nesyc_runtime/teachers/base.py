"""What every teacher shares: a request, an answer, and how one asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from nesyc_runtime.hashing import digest
from nesyc_runtime.teachers.likely import Likely

DropReason = Literal["missing", "refused", "empty"]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a teacher.

    `prompt` is all a model sees (with `system`); `row`, `response` and `gold` serve recorded and program
    teachers. `index` tells the n samples of one item apart. `gold` is None where the stage hides it. `problem`
    says why an earlier answer to the same could not be used; `schema` is the JSON schema of the answer wanted.
    """

    kind: Literal["sample", "extract", "induce"]
    task: str
    prompt: str
    inputs: Mapping[str, Any]
    row: Mapping[str, Any]
    index: int = 0
    seed: int = 0
    temperature: float | None = None
    system: str | None = None
    response: str | None = None
    gold: Mapping[str, Any] | None = None
    rationale: str | None = None
    fields: tuple[str, ...] = field(default=())
    problem: str | None = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`tokens` is (prompt, completion) as the server counted; `usd` what they cost when asked.

    `likely` is there where the teacher gives it: read it from the store, which keeps it apart (`AnswerStore.likely`).
    """

    text: str
    tokens: tuple[int, int] = (0, 0)
    usd: float = 0.0
    likely: Likely | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Dropped:
    """A request that gets no answer, now or later: the item is left out and counted under `reason`."""

    reason: DropReason


OnAnswer = Callable[[int, Answer | Dropped], None]


class Teacher(Protocol):
    """`identity` is what an answer depends on: never a key, a price, a limit or where a server stands."""

    name: str
    identity: Mapping[str, Any]
    stored: bool

    def ask(self, requests: Sequence[Request], on_answer: OnAnswer) -> None:
        """Call `on_answer(position, answer)` once for every request, as answers come, in any order.

        Raises `Stopped` where the teacher cannot go on (what came before has been reported), `UserError`
        where it never will.
        """


def request_key(identity: Mapping[str, Any], request: Request) -> str:
    """The hash an answer is stored under: who is asked, all that is asked, and which of n it is."""
    content: dict[str, Any] = {
        "kind": request.kind,
        "prompt": request.prompt,
        "system": request.system,
        "temperature": request.temperature,
        "index": request.index,
    }
    if identity.get("kind") == "program":  # a program reads more than the prompt
        content |= {
            "row": request.row,
            "response": request.response,
            "gold": request.gold,
            "rationale": request.rationale,
            "seed": request.seed,
            "fields": request.fields,
            "problem": request.problem,
        }
    elif request.schema is not None:
        content["schema"] = request.schema
    return digest({"teacher": identity, "request": content})
