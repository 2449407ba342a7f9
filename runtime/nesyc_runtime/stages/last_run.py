"""What the last run of a spec worked with: its build and the state of its KBs, to compare later states with."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.artifact import Build, load_build
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import write_json
from nesyc_runtime.kb.review.past import store_at
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import source_paths, sync_source
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.project import Project

KEPT = ("plan.json", "config.yaml", "manifest.json")
STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Base:
    """A state to compare with: a build, and of each KB the last change of its store then.

    `project` is where the source of a revision lies; its facts are then read from there, and `changes` is empty.
    """

    name: str
    build: Build
    changes: Mapping[str, int]
    project: Project | None = None


def remember_run(build: Build, project: Project, run: str, stores: Mapping[str, Store]) -> None:
    """Keep what a run worked with. Written last, state.json says that the rest is whole."""
    folder = _folder(project, build.spec.name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in KEPT:
        shutil.copyfile(build.dir / name, folder / name)
    changes = {name: last_change(store) for name, store in stores.items()}
    write_json(folder / STATE, {"v": 1, "run": run, "changes": changes})


def last_run(project: Project, spec: str) -> Base | None:
    """What the last run of a spec worked with, None where there was none."""
    folder = _folder(project, spec)
    try:
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        return Base(
            f"run {state['run']}", load_build(folder), {k: int(v) for k, v in state["changes"].items()}
        )
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None


def last_change(store: Store) -> int:
    return int(store.execute('SELECT ifnull(max(id), 0) FROM "nesyc.change"').fetchone()[0])


@contextmanager
def base_store(store: Store, base: Base) -> Iterator[Store]:
    """The KB of `store` as it was in the base, evaluated by the rules of then.

    Raises `UserError` where its relations are not those of now: rows cannot be compared then.
    """
    kb = next((kb for kb in base.build.spec.kbs if kb.name == store.kb.name), None)
    if kb is None:
        raise UserError(f"kb `{store.kb.name}` is new")
    if _shape(kb) != _shape(store.kb):
        raise UserError(f"the relations of kb `{store.kb.name}` are not what they were")
    program = Program.model_validate(base.build.programs[kb.name])
    change = base.changes.get(kb.name)
    if change is not None:
        with store_at(store, change, rules=False) as past, copied(past, kb, program) as then:
            evaluate(then)
            yield then
        return
    with copied(store, kb, program) as then:
        if base.project is not None:
            sync_source(then, source_paths(then, base.project.file))
        evaluate(then)
        yield then


def _shape(kb: config.Kb) -> object:
    return [
        relation.model_dump(
            mode="json", exclude={"location", "say", "fulltext", "nearest", "indexes", "unique"}
        )
        for relation in kb.relations
    ]


def _folder(project: Project, spec: str) -> Path:
    return project.state_dir / "ran" / spec
