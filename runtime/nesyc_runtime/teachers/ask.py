"""Asking through the store: what is there is read, what is not is asked for, once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime.teachers.base import Answer, Dropped, Request, Teacher, request_key
from nesyc_runtime.teachers.limits import Budget
from nesyc_runtime.teachers.store import AnswerStore


@dataclass(frozen=True, slots=True)
class Asked:
    """`answers` and the `keys` they are stored under, in the order of the requests; the sums are over all of them, stored
    ones included.

    So an interrupted and continued run counts what an unbroken one counts.
    """

    answers: tuple[Answer | Dropped, ...]
    keys: tuple[str, ...]
    calls: int
    tokens: int
    usd: float


def ask_all(
    teacher: Teacher,
    requests: Sequence[Request],
    store: AnswerStore,
    budget: Budget | None = None,
    *,
    generation: int = 0,
    progress: Callable[[int], Any] = lambda done: None,
) -> Asked:
    """Answers to all requests. Equal requests are asked once; each answer is stored before the next is read.

    `budget` is charged with what stored answers cost, as a teacher charges it with new ones. `generation`
    above 0 asks anew (`run --refresh`). `progress` gets how many are answered.
    Raises what `Teacher.ask` raises, with everything answered so far stored.
    """
    keys = [_key(teacher, request, generation) for request in requests]
    distinct = dict(zip(keys, requests, strict=True))
    found: dict[str, Answer | Dropped] = {}
    if teacher.stored:
        found |= store.get_many(list(distinct))
    if budget is not None:
        budget.spent += sum(answer.usd for answer in found.values() if isinstance(answer, Answer))
    progress(len(found))
    missing = [key for key in distinct if key not in found]

    def keep(position: int, answer: Answer | Dropped) -> None:
        key = missing[position]
        if teacher.stored and isinstance(answer, Answer):
            store.put(key, teacher.name, answer)
        found[key] = answer
        progress(len(found))

    if missing:
        teacher.ask([distinct[key] for key in missing], keep)
    given = [answer for key in distinct if isinstance(answer := found[key], Answer)]
    return Asked(
        tuple(found[key] for key in keys),
        tuple(keys),
        calls=len(given) if teacher.stored else 0,
        tokens=sum(sum(answer.tokens) for answer in given),
        usd=round(sum(answer.usd for answer in given), 9),
    )


def distinct_requests(
    teacher: Teacher, requests: Sequence[Request], generation: int = 0
) -> dict[str, Request]:
    """Each request once, by the key of its answer."""
    return {_key(teacher, request, generation): request for request in requests}


def missing_requests(
    teacher: Teacher, requests: Sequence[Request], store: AnswerStore, generation: int = 0
) -> list[Request]:
    """The distinct requests without a stored answer: those `ask_all` would ask, in order."""
    distinct = distinct_requests(teacher, requests, generation)
    found = store.get_many(list(distinct)) if teacher.stored else {}
    return [request for key, request in distinct.items() if key not in found]


def _key(teacher: Teacher, request: Request, generation: int) -> str:
    identity = {**teacher.identity, "generation": generation} if generation else teacher.identity
    return request_key(identity, request)
