"""A task, a student and a training stage small enough for a test, as the runtime's configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.learning.students import load_student

PLACE = config.Location(file="tiny.nesy", line=7, col=1, end_line=7, end_col=2)
TEXT = config.Type(base="text")
INT = config.Type(base="int")


def parser(function: str, *arguments: str, type_: config.Type = TEXT, constants: tuple[str, ...] = ()) -> Any:
    return config.Parser(
        output="answer",
        function=function,
        arguments=arguments,
        type=type_,
        location=PLACE,
        constants=constants,
    )


def make_task(
    read: config.Parser | None = None,
    prompt: str = "Q: {question}\n{retrieved}\nThink, then answer.",
    **more: Any,
) -> config.Task:
    read = read or parser("after_last", "=", type_=INT)
    equal = config.Operation(
        operator="==",
        arguments=(
            config.ColumnRef(scope="output", name="answer"),
            config.ColumnRef(scope="row", name="label"),
        ),
    )
    settings: dict[str, Any] = {
        "name": "sums",
        "dataset": "numbers",
        "inputs": (config.Field(name="question", type=TEXT),),
        "outputs": (config.Field(name="reasoning", type=TEXT), config.Field(name="answer", type=read.type)),
        "prompts": {"": prompt},
        "parsers": (read,),
        "claims": (),
        "metrics": (
            config.Metric(name="accuracy", function="mean", value=equal, group=None, location=PLACE),
        ),
        "target": {"answer": "label"},
        "location": PLACE,
    }
    return config.Task(**{**settings, **more})


def make_student(adapter: str = "full", dropout: float = 0.0, **more: Any) -> config.Student:
    settings: dict[str, Any] = {
        "name": "small",
        "base": config.Base(kind="scratch", architecture={"layers": 2, "width": 32, "heads": 2}),
        "adapter": config.Adapter(kind=adapter, rank=4, alpha=8, dropout=dropout),  # type: ignore[arg-type]
        "max_tokens": 128,
        "max_new_tokens": 12,
        "template": "auto",
        "options": {},
        "location": PLACE,
    }
    return config.Student(**{**settings, **more})


def make_stage(**more: Any) -> config.FinetuneStage:
    settings: dict[str, Any] = {
        "id": "distil.final",
        "name": "final",
        "task": "sums",
        "student": "small",
        "model": "small",
        "examples": ("distil.cot",),
        "tasks": ("direct",),
        "weights": (1.0,),
        "retrieve": None,
        "select": None,
        "loss": "cross_entropy",
        "epochs": 1.0,
        "lr": 1e-3,
        "batch": 4,
        "warmup": 0.1,
        "schedule": "cosine",
        "seed": 0,
        "options": {},
        "review": "optional",
        "location": PLACE,
    }
    return config.FinetuneStage(**{**settings, **more})


def make_teacher(endpoint: Any) -> config.Teacher:
    return config.Teacher(
        name="big",
        endpoint=endpoint,
        price=None,
        limits=config.Limits(),
        fallback=None,
        system=None,
        location=PLACE,
    )


def local_teacher(folder: Path) -> config.Teacher:
    """A teacher whose weights lie in `folder`."""
    return make_teacher(config.LocalEndpoint(model=str(folder), temperature=0.0, max_tokens=16))


def tiny(seed: int = 0, **more: Any) -> Any:
    """A loaded, trainable student with random weights."""
    return load_student(make_student(**more), seed=seed, trainable=True)
