"""What a run left in its folder, read back for people: runs/ID/{results,decisions,training}.json and items/."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable, read_jsonl

RUN_FIRST = "run the spec first: `nesyc run`"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one student said to one item; `verdict` is the first metric's, None where it is no truth value."""

    student: str
    prompt: str
    response: str
    answer: str
    gold: str
    verdict: bool | None
    hits: tuple[str, ...] = ()
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class AskedItem:
    """One item of one evaluation with every student's answer to it, in the order of the students."""

    evaluate: str
    split: str
    id: str
    answers: tuple[Answer, ...]

    @property
    def disputed(self) -> bool:
        """Whether some student is right and some other wrong."""
        return len({answer.verdict for answer in self.answers} - {None}) > 1


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run as its folder has it; the mappings are the files' own values."""

    folder: Path
    results: Mapping[str, Any]
    decisions: Sequence[Mapping[str, Any]]
    training: Sequence[Mapping[str, Any]]
    items: tuple[AskedItem, ...]


def find_run(runs_dir: Path, name: str | None) -> FoundRun:
    """The run `name`, else the last one. Raises `UserError` where there is none, or a file of it is damaged."""
    wanted = name if name is not None else _latest(runs_dir)
    there = sorted(path.parent.name for path in runs_dir.glob("*/results.json"))
    if wanted not in there:  # an ID names a folder of runs/, and nothing else
        known = f"there are {', '.join(there[:5])}" if there else RUN_FIRST
        raise UserError(f"there is no run `{printable(wanted, 60)}`", known)
    folder = runs_dir / wanted
    try:
        results = _read(folder / "results.json")
        decisions = _read(folder / "decisions.json")["decisions"]
        training = _read(folder / "training.json")["training"] if (folder / "training.json").is_file() else []
        return FoundRun(folder, results, decisions, training, _items(folder, results["students"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"the files of run {wanted} are damaged: {type(error).__name__}",
            "`nesyc run` writes them again from what is done",
        ) from None


def _latest(runs_dir: Path) -> str:
    try:
        return (runs_dir / "latest").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UserError("there is no run yet", RUN_FIRST) from None


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _items(folder: Path, students: Sequence[str]) -> tuple[AskedItem, ...]:
    found: dict[tuple[str, str, str], list[Answer]] = {}
    for student in students:
        file = folder / "items" / f"{student}.jsonl"
        if not file.is_file():
            continue
        for line in read_jsonl(file):
            answer = Answer(
                student,
                line["prompt"],
                line["response"],
                _text(line["answer"]),
                _text(line["gold"]),
                line["correct"] if isinstance(line["correct"], bool) else None,
                tuple(_hit(hit) for hit in line["hits"]),
                line["seed"],
            )
            found.setdefault((line["evaluate"], line["split"], line["id"]), []).append(answer)
    return tuple(AskedItem(*place, tuple(answers)) for place, answers in found.items())


def _hit(hit: Mapping[str, Any]) -> str:
    key = ", ".join(_text(value) for value in hit["key"])
    return f"{hit['relation']} {key}: {hit['text']}"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
