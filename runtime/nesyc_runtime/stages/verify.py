"""`nesyc verify`: whether what lies on the disk is whole, and says what it said when it was written."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from nesyc_runtime.artifact import Build
from nesyc_runtime.files import printable, read_jsonl
from nesyc_runtime.kb.open import store_file
from nesyc_runtime.kb.storage.store import open_read_only
from nesyc_runtime.project import Project
from nesyc_runtime.stages.graph import build_graph
from nesyc_runtime.stages.shelf import PARTIAL, Shelf

COPY = "put a copy of {0} back, or `sqlite3 {0} .recover` into a new file: what people and teachers wrote stands nowhere else"
TOLERANCE = 1e-9  # between a stored score and the mean of its stored items


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `problems` is empty where it is as it should be, `help` what to do where it is not."""

    what: str
    problems: tuple[str, ...] = ()
    help: str = ""

    @property
    def ok(self) -> bool:
        return not self.problems


def verify(build: Build, project: Project) -> list[Check]:
    """Every check of a project, nothing changed by it: the build, the knowledge bases, answers, stages, the last run."""
    checks = [Check(f"build {build.dir.name}", tuple(_build(build)), "nesyc compile writes it anew")]
    for kb in build.spec.kbs:
        file = store_file(project, kb)
        if file.is_file():
            checks.append(Check(f"kb {kb.name}", tuple(_database(file)), COPY.format(project.shown(file))))
    if project.answers_file.is_file():
        shown = project.shown(project.answers_file)
        checks.append(Check("answers", tuple(_database(project.answers_file)), COPY.format(shown)))
    stages = [folder for folder in sorted(project.stages_dir.glob("*/")) if not folder.name.endswith(PARTIAL)]
    shelf = Shelf(project.stages_dir)
    names = {str(last.get("key")): id_ for id_ in build_graph(build) if (last := shelf.last(id_)) is not None}
    problems = [problem for folder in stages for problem in _stage(shelf, folder, names)]
    if stages:
        again = "nesyc run --refresh STAGE makes a stage anew"
        checks.append(Check(f"stages, {len(stages)} finished", tuple(problems), again))
    latest = project.runs_dir / "latest"
    if latest.is_file():
        run = project.runs_dir / latest.read_text(encoding="utf-8").strip()
        again = "nesyc run writes the results of finished stages anew"
        checks.append(Check(f"run {printable(run.name, 40)}", tuple(_run(run)), again))
    return checks


def _build(build: Build) -> Iterator[str]:
    """Files that are not the ones the compiler wrote."""
    for name, wanted in build.manifest["outputs"].items():
        file = build.dir / name
        if not file.is_file():
            yield f"{printable(name, 80)} is missing"
        elif f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" != wanted:
            yield f"{printable(name, 80)} was changed after compiling"


def _database(file: Path) -> Iterator[str]:
    try:
        with closing(open_read_only(file)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(10)")]
            if found != ["ok"]:
                yield from (printable(str(problem)) for problem in found)
            broken = db.execute("PRAGMA foreign_key_check").fetchmany(10)
            yield from (
                f"a row of {printable(str(row[0]), 60)} refers to a row that is gone" for row in broken
            )
    except sqlite3.DatabaseError as error:
        yield f"{file.name} cannot be read: {printable(str(error))}"


def _stage(shelf: Shelf, folder: Path, names: Mapping[str, str]) -> Iterator[str]:
    name = printable(names.get(folder.name, folder.name[:12]), 80)
    done = shelf.find(folder.name)
    if done is None:
        yield f"{name} has no readable done.json"
        return
    stage = f"{printable(str(done.info.get('kind')), 60)} {name}"
    for file in sorted(folder.rglob("*.jsonl")):
        try:
            for _ in read_jsonl(file):
                pass
        except (OSError, ValueError):
            yield f"{stage}: {file.name} is damaged"
    for file in sorted(folder.rglob("*.safetensors")):
        if (problem := _weights(file)) is not None:
            yield f"{stage}: {file.name} {problem}"


def _weights(file: Path) -> str | None:
    """What is wrong with a safetensors file: its header, its length, or a weight that is no number."""
    import numpy
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as tensors:
            for name in tensors.keys():  # noqa: SIM118 - no mapping
                if not numpy.isfinite(tensors.get_tensor(name)).all():
                    return f"has a weight that is no number, in {printable(name, 80)}"
    except (SafetensorError, OSError, TypeError, ValueError) as error:
        return f"is damaged: {printable(str(error))}"
    return None


def _run(folder: Path) -> Iterator[str]:
    """Scores that are not the mean of the stored items' verdicts, or files that cannot be read."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        first: dict[str, str] = {}
        for score in results["scores"]:
            first.setdefault(score["evaluate"], score["metric"])  # the verdict's metric comes first
        for score in results["scores"]:
            if (score["group"], score["seed"]) != (None, None) or score["metric"] != first[score["evaluate"]]:
                continue
            lines = read_jsonl(folder / "items" / f"{score['student']}.jsonl")
            verdicts = [line["correct"] for line in lines if line["evaluate"] == score["evaluate"]]
            if not verdicts or not all(isinstance(verdict, bool) for verdict in verdicts):
                continue
            found = sum(verdicts) / len(verdicts)
            if abs(found - score["value"]) > TOLERANCE:
                yield (
                    f"{printable(score['student'], 60)} has {score['metric']} {score['value']:.3f} in results.json, "
                    f"{found:.3f} over its items"
                )
    except (OSError, ValueError, KeyError, TypeError) as error:
        yield f"its files are damaged: {type(error).__name__}"
