"""Losses of `finetune` that compare probabilities: a teacher that gives them, over the same tokens as the student's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nesyc.checks.kinds import POISON, Bound, Symbol
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.tables import Tables
from nesyc.checks.tokenizers import tokenizer_of
from nesyc.diagnostics import Diagnostic, Help, Related


@dataclass(frozen=True, slots=True)
class Distilled:
    """A loss with its options; `teacher` None where none is named and the examples have not exactly one.

    `apart`: the tokenizers are known to differ, `fallback` says what is trained then.
    """

    kind: str
    bound: Bound | None
    teacher: Symbol | None
    fallback: str | None
    apart: bool


def distilled(tables: Tables, stage: StageInfo) -> Distilled | None:
    """The loss of a finetune stage; None for cross-entropy."""
    bound = stage.bound
    loss = bound["loss"] if bound is not None else None
    if isinstance(loss, Bound):
        named = loss["teacher"] if isinstance(loss["teacher"], Symbol) else None
        fallback = loss["fallback"] if isinstance(loss["fallback"], str) else None
    elif isinstance(loss, str) and loss != "cross_entropy":
        named, fallback = None, None
    else:
        return None
    teacher = named or _teacher_of_examples(tables, stage)
    kind = loss.name if isinstance(loss, Bound) else loss
    return Distilled(
        kind, loss if isinstance(loss, Bound) else None, teacher, fallback, _apart(tables, stage, teacher)
    )


def check_losses(tables: Tables) -> Iterator[Diagnostic]:
    """E0308, E0702 and E0705 of the losses."""
    for stage in tables.stages.values():
        if stage.bound is None or stage.bound.name != "finetune":
            continue
        found = distilled(tables, stage)
        if found is None:
            continue
        span = stage.bound.span_of("loss")
        if found.teacher is None:
            message = f"`{found.kind}` needs a teacher whose probabilities it compares with"
            help_ = Help(f"write `{found.kind}(teacher = NAME)`")
            yield Diagnostic("E0308", message, span, "whose?", help=help_)
        else:
            yield from _check_teacher(tables, stage, found, found.teacher)


def _check_teacher(
    tables: Tables, stage: StageInfo, found: Distilled, teacher: Symbol
) -> Iterator[Diagnostic]:
    assert stage.bound is not None
    span = found.bound.span_of("teacher") if found.bound else stage.bound.span_of("loss")
    declared = Related(teacher.span, f"`{teacher.id}` is declared here")
    endpoint = tables.blocks["teacher", teacher.id]["endpoint"]
    if not isinstance(endpoint, Bound):
        return
    if endpoint.name != "hf" and endpoint.values.get("top_logprobs") is None:
        yield Diagnostic(
            "E0702",
            f"`{teacher.id}` gives text, `{found.kind}` needs its probabilities",
            span,
            f"`{endpoint.name}` gives no probabilities",
            (declared,),
            help=Help(
                "take a local teacher, `hf(...)`, or a server that stores the likeliest tokens: `top_logprobs = 20`"
            ),
        )
        return
    if endpoint.name != "hf" and found.bound is not None:
        yield from _check_told(found.bound, teacher, declared)
    if found.apart and found.fallback is None:
        student = _student(tables, stage)
        related = (
            (declared, Related(student.span, f"`{student.id}` is declared here")) if student else (declared,)
        )
        yield Diagnostic(
            "E0705",
            f"teacher `{teacher.id}` and student `{student.id if student else ''}` have different tokenizers",
            span,
            "other tokens",
            related,
            ("the loss compares probabilities token by token",),
            Help(
                f"train on its text instead:  {found.kind}(teacher = {teacher.id}, fallback = .cross_entropy)"
            ),
        )


def _check_told(loss: Bound, teacher: Symbol, declared: Related) -> Iterator[Diagnostic]:
    """What a server has told when it answered cannot be asked of it anew."""
    if loss["temperature"] not in (None, POISON) and loss["temperature"] != 1:
        message = f"`{teacher.id}` tells its probabilities at temperature 1"
        help_ = Help("leave `temperature` out")
        span = loss.span_of("temperature")
        yield Diagnostic("E0308", message, span, "another temperature", (declared,), help=help_)
    if loss["on_policy"] not in (None, POISON, 0):
        message = f"`{teacher.id}` tells of its own answers only, not of what the student writes"
        help_ = Help("leave `on_policy` out, or take a local teacher, `hf(...)`")
        span = loss.span_of("on_policy")
        yield Diagnostic("E0308", message, span, "the student's own", (declared,), help=help_)


def _teacher_of_examples(tables: Tables, stage: StageInfo) -> Symbol | None:
    """The one teacher whose samples the stage learns from."""
    found: dict[str, Symbol] = {}
    seen: set[str] = set()
    pending = [stage.id]
    while pending:
        current = tables.stages.get(pending.pop())
        if current is None or current.id in seen:
            continue
        seen.add(current.id)
        if current.bound is not None and current.bound.name == "sample":
            found |= {symbol.id: symbol for _, symbol in current.symbols(("teacher",))}
        pending += [symbol.id for key, symbol in current.symbols() if symbol.is_stage and key != "model"]
    return next(iter(found.values())) if len(found) == 1 else None


def _apart(tables: Tables, stage: StageInfo, teacher: Symbol | None) -> bool:
    student = _student(tables, stage)
    if teacher is None or student is None:
        return False
    one = tokenizer_of(tables.blocks["teacher", teacher.id]["endpoint"])
    two = tokenizer_of(tables.blocks["student", student.id]["base"])
    return one is not None and two is not None and one != two


def _student(tables: Tables, stage: StageInfo) -> Symbol | None:
    """The declared student behind the model that is trained."""
    seen: set[str] = set()
    current: StageInfo | None = stage
    while current is not None and current.bound is not None and current.id not in seen:
        seen.add(current.id)
        given = current.bound.values.get("student") or current.bound.values.get("model")
        if not isinstance(given, Symbol):
            return None
        if not given.is_stage:
            return given
        current = tables.stages.get(given.id)
    return None
