"""A small world for the engine: a spec with two pipelines, a student that remembers, a KB in a file.

Everything the engine does is real (stores, keys, crash safety); only torch and SQL are left out.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.project import Project
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.ports import Contradiction, Entry, Found, Item, Lesson, Reply, Silent
from nesyc_runtime.stages.run import open_context

PLACE = {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2}
TEXT = {"base": "text", "nullable": False, "enum": None, "size": None}
INT = {**TEXT, "base": "int"}

TEACHER = """
from pathlib import Path

def teach(request):
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write(request["kind"] + " " + str(request["row"]["q"]) + " " + str(request["index"]) + "\\n")
    number = request["row"]["n"]
    if request["kind"] == "extract":
        return '{"title": "about ' + str(number) + '", "body": "the double of ' + str(number) + ' is '             + str(2 * number) + '"}'
    wrong = number % 5 == 4
    return "twice " + str(number) + " so answer: " + str(2 * number + wrong)
"""


def field(name: str, type_: Mapping[str, Any], key: bool = False) -> dict[str, Any]:
    return {"name": name, "type": type_, "key": key}


def location(**values: Any) -> dict[str, Any]:
    return {**values, "location": PLACE}


def column(scope: str, name: str, of: str | None = None) -> dict[str, Any]:
    return {"kind": "column", "scope": scope, "name": name, "of": of}


def stage(kind: str, pipeline: str, name: str, **values: Any) -> dict[str, Any]:
    common = {"id": f"{pipeline}.{name}", "name": name, "task": "double", "review": "optional", "kind": kind}
    return location(**common, **values)


def sample(pipeline: str) -> dict[str, Any]:
    return stage(
        "sample", pipeline, "cot", teacher="big", data="d.train", n=1, keep="correct", temperature=None
    )


def finetune(pipeline: str, name: str, examples: Sequence[str], **values: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "student": "small",
        "model": "small",
        "examples": list(examples),
        "tasks": ["direct"],
        "weights": [1.0],
        "retrieve": None,
        "select": None,
        "loss": "cross_entropy",
        "epochs": 1.0,
        "lr": 0.001,
        "batch": 8,
        "warmup": 0.0,
        "schedule": "constant",
        "seed": 0,
        "options": {},
    }
    return stage("finetune", pipeline, name, **{**settings, **values})


def spec_values() -> dict[str, Any]:
    """The whole spec as plain values, for tests to change before `make_build`."""
    split = {"limit": None, "location": PLACE}
    jsonl = {"kind": "file", "format": "jsonl"}
    gold = {
        "kind": "operation",
        "operator": "==",
        "arguments": [column("output", "answer"), column("row", "gold")],
    }
    errors = stage(
        "mine_errors",
        "nesycd",
        "errors",
        model="nesycd.base",
        data="d.train",
        against=["nesycd.cot"],
        folds=2,
        by=[],
        limit=None,
    )
    know = stage(
        "extract",
        "nesycd",
        "know",
        teacher="big",
        data=["nesycd.errors"],
        into="facts.lesson",
        show_gold=True,
        limit=None,
    )
    final = finetune(
        "nesycd",
        "final",
        ["nesycd.cot", "nesycd.errors"],
        tasks=["augmented", "direct"],
        weights=[1.0, 1.0],
        retrieve="hints",
    )
    evaluate = location(
        name="main",
        model="nesycd.final",
        split="d.test",
        report=["accuracy"],
        students=["small", "std.final", "nesycd.final"],
        seeds=1,
        bootstrap=200,
        requires=[],
        format=None,
        retrieve=None,
        limit=None,
    )
    return {
        "name": "s",
        "path": "s.nesy",
        "params": {"budget": 1.0},
        "enums": [],
        "teachers": [
            location(
                name="big",
                endpoint={"kind": "program", "target": "teacher:teach"},
                price=None,
                limits={"max_usd": 25.0},
                system=None,
                fallback=None,
            )
        ],
        "students": [
            location(
                name="small",
                base={"kind": "scratch", "architecture": {"layers": 1}},
                adapter={"kind": "full"},
                max_tokens=64,
                max_new_tokens=16,
                template="plain",
                options={},
            )
        ],
        "embedders": [],
        "datasets": [
            location(
                name="d",
                row=[field("q", TEXT, key=True), field("n", INT), field("gold", INT)],
                splits=[
                    {
                        "name": name,
                        "source": {**jsonl, "path": {"root": "", "pattern": f"{name}.jsonl"}},
                        "held_out": name == "test",
                        **split,
                    }
                    for name in ("train", "test")
                ],
            )
        ],
        "tasks": [
            location(
                name="double",
                dataset="d",
                inputs=[field("n", INT)],
                outputs=[field("reasoning", TEXT), field("answer", INT)],
                prompts={"": "Double {n}.\n{retrieved}\nFinish with 'answer: <number>'."},
                parsers=[
                    location(output="answer", function="last_match", arguments=[r"answer:\s*(\d+)"], type=INT)
                ],
                claims=[],
                metrics=[location(name="accuracy", function="mean", value=gold, group=None)],
                target={"answer": "gold"},
            )
        ],
        "kbs": [
            location(
                name="facts",
                store="facts.db",
                semantics={},
                ceiling={},
                engine="auto",
                relations=[
                    location(
                        name="lesson",
                        derived=False,
                        columns=[
                            {"name": "id", "type": INT},
                            {"name": "title", "type": TEXT},
                            {"name": "body", "type": TEXT},
                        ],
                        key=["id"],
                        indexes=[],
                        unique=None,
                        fulltext=["title", "body"],
                        nearest=None,
                        provenance_required=True,
                        say=None,
                    )
                ],
                facts=[],
                fact_files=[],
                rules=[],
                constraints=[],
                strata=[],
            )
        ],
        "retrieves": [
            location(
                name="hints",
                task="double",
                kb="facts",
                query=column("input", "n"),
                search={
                    "targets": [{"kind": "fulltext", "relation": "lesson", "column": "body"}],
                    "merge": "weights",
                    "weights": [1.0],
                },
                where=None,
                gate=None,
                take=1,
                budget=None,
                cite=False,
                own_entries=False,
            )
        ],
        "pipelines": [
            location(
                name="std", task="double", stages=[sample("std"), finetune("std", "final", ["std.cot"])]
            ),
            location(
                name="nesycd",
                task="double",
                stages=[
                    sample("nesycd"),
                    finetune("nesycd", "base", ["nesycd.cot"]),
                    errors,
                    know,
                    final,
                ],
            ),
        ],
        "answers": [],
        "evaluates": [evaluate],
        "tests": [],
    }


AFTER = {
    "std.cot": (),
    "std.final": ("std.cot",),
    "nesycd.cot": (),
    "nesycd.base": ("nesycd.cot",),
    "nesycd.errors": ("nesycd.base", "nesycd.cot"),
    "nesycd.know": ("nesycd.errors",),
    "nesycd.final": ("nesycd.cot", "nesycd.errors", "nesycd.know"),
}


def find_stage(values: dict[str, Any], id_: str) -> dict[str, Any]:
    found: dict[str, Any] = next(s for p in values["pipelines"] for s in p["stages"] if s["id"] == id_)
    return found


def make_build(folder: Path, values: Mapping[str, Any]) -> Build:
    train = folder / "build" / "s" / "train"
    train.mkdir(parents=True, exist_ok=True)
    for name in ("std_final", "nesycd_base", "nesycd_final"):
        module = train / f"{name}.py"
        if not module.exists():
            module.write_text("# the emitted module\n")
    return Build(train.parent, config.Spec.model_validate(values), {"facts": {}}, AFTER, {"v": 1})


def write_data(folder: Path, train: int = 20, test: int = 6) -> None:
    for name, numbers in (("train", range(train)), ("test", range(1000, 1000 + test))):
        rows = [{"q": f"q{n}", "n": n, "gold": 2 * n} for n in numbers]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "teacher.py").write_text(TEACHER)


class Remembers:
    """A student that knows the answers it was taught by heart, and else reads its prompt.

    `trainings` and `asked` record the work; `pause` is how long each answer takes, seconds.
    """

    def __init__(self, pause: float = 0.0) -> None:
        self.trainings: list[tuple[str, int, int]] = []
        self.asked = 0
        self.pause = pause
        self.decisions: list[dict[str, str]] = []

    def train(
        self,
        stage: config.FinetuneStage,
        lessons: Sequence[Lesson],
        *,
        start_from: Path | None,
        out: Path,
        seed: int,
        progress: Callable[[float], None],
        run: str,
        name: str,
        exam: Any = None,
    ) -> None:
        self.trainings.append((stage.id, len(lessons), seed))
        time.sleep(self.pause)
        out.mkdir(parents=True, exist_ok=True)
        known = {str(lesson.inputs["n"]): lesson.answer for lesson in lessons}
        reads = any(lesson.retrieved for lesson in lessons)
        (out / "model.json").write_text(json.dumps({"known": known, "reads": reads}))
        progress(1.0)

    def respond(
        self,
        student: str,
        weights: Path | None,
        prompts: Sequence[str],
        *,
        seed: int,
        temperature: float,
        max_new_tokens: int | None,
        on_reply: Callable[[int, Reply], None],
    ) -> None:
        model = json.loads((weights / "model.json").read_text()) if weights else {"known": {}, "reads": False}
        for index in reversed(range(len(prompts))):
            time.sleep(self.pause)
            self.asked += 1
            found = re.search(r"Double (\d+)", prompts[index])
            assert found is not None
            answer = model["known"].get(found[1])
            hint = re.search(r"is (\d+)", prompts[index]) if model["reads"] else None
            text = f"answer: {answer or (hint and hint[1]) or 0}"
            on_reply(index, Reply(text, 1.0 if answer else 0.25, 2))


class FileKnowledge:
    """Entries in a JSON file by stage; retrieval gives the entry whose number is nearest."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.asked: set[tuple[bool, str]] = set()
        self.reviewed: set[str] = set()

    def prepare(self) -> None:
        pass

    def write(self, stage: config.ExtractStage, run: str, entries: Sequence[Entry]) -> Mapping[str, int]:
        stored = self._read()
        stored[stage.id] = [
            {"body": entry.values["body"], "n": [values["n"] for values in entry.inputs]} for entry in entries
        ]
        self._file.write_text(json.dumps(stored))
        return {"written": len(entries)}

    def mark_stale(self, stage: config.ExtractStage, run: str, sources: Any) -> int:
        return 0

    def pending(self, stage: config.ExtractStage) -> int:
        return len(self._read().get(stage.id, [])) if stage.id not in self.reviewed else 0

    def retrieve(self, retrieve: config.Retrieve, items: Sequence[Item], *, training: bool) -> list[Found]:
        self.asked |= {(training, item.id) for item in items}
        entries = [entry for stored in self._read().values() for entry in stored]
        found = []
        for item in items:
            n = item.inputs["n"]
            open_ = [entry for entry in entries if not (training and n in entry["n"])]
            best = min(open_, key=lambda entry: abs(entry["n"][0] - n), default=None)
            hit = (
                {"relation": "lesson", "key": [best["n"][0]], "score": 1.0, "text": best["body"]}
                if best
                else None
            )
            found.append(Found(best["body"], (hit,)) if best and hit else Found(None))
        return found

    def left_out(self) -> list[str]:
        return []

    def engines(self) -> list[tuple[str, str, str]]:
        return []

    def contradictions(self, kb: str, claims: Sequence[Any]) -> list[Contradiction]:
        return []

    def _read(self) -> dict[str, Any]:
        return json.loads(self._file.read_text()) if self._file.exists() else {}


class World:
    """A project folder with the spec above; `context` opens a fresh one, as a new process would."""

    def __init__(self, folder: Path, pause: float = 0.0) -> None:
        self.folder = folder
        self.values = spec_values()
        self.learner = Remembers(pause)
        self.reporter = Silent()
        self.reviewed: set[str] = set()
        write_data(folder)

    def context(self, stack: ExitStack, limit: int | None = None) -> Context:
        self.reporter = Silent()
        self.learner.trainings.clear()
        self.learner.asked = 0
        knowledge = FileKnowledge(self.folder / "kb.json")
        knowledge.reviewed = self.reviewed
        build = make_build(self.folder, self.values)
        project = Project(self.folder, spec_dir=self.folder)
        return open_context(
            build, project, self.learner, knowledge, self.reporter, stack, limit=limit, env={}
        )

    def calls(self) -> list[str]:
        file = self.folder / "calls.txt"
        return file.read_text().splitlines() if file.exists() else []
