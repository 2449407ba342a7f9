"""The KBs of a project: which one is meant, where its file lies, and bringing it in step with the source."""

from __future__ import annotations

import sqlite3
from pathlib import Path, PurePosixPath, PureWindowsPath

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.kb.proofs.why import violations
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import source_paths, sync_source
from nesyc_runtime.kb.storage.migration import TableChange
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.schema import planned_changes
from nesyc_runtime.kb.storage.store import Store, open_store
from nesyc_runtime.kb.storage.values import shown
from nesyc_runtime.project import Project


def choose_kb(spec: config.Spec, name: str | None) -> config.Kb:
    """The KB named, or the only one; raises `UserError` where there is none or several."""
    names = ", ".join(kb.name for kb in spec.kbs)
    found = [kb for kb in spec.kbs if name in (None, kb.name)]
    if len(found) == 1:
        return found[0]
    if not spec.kbs:
        raise UserError("the spec has no kb", "add one:  kb NAME { }")
    if not found:
        raise UserError(f"the spec has no kb `{printable(name or '', 60)}`", f"it has {names}")
    raise UserError(f"the spec has several KBs: {names}", "say which with --kb NAME")


def store_file(project: Project, kb: config.Kb) -> Path:
    """The file of `store = sqlite("FILE")`, relative to the spec; raises `UserError` (E0206) outside the project."""
    base = project.spec_dir or project.root
    if PurePosixPath(kb.store).is_absolute() or PureWindowsPath(kb.store).drive or "\\" in kb.store:
        raise _outside(kb)
    file = (base / kb.store).resolve()
    if not file.is_relative_to(project.root.resolve()) or file == project.root.resolve():
        raise _outside(kb)
    return file


def _outside(kb: config.Kb) -> UserError:
    shown = printable(kb.store, 80)
    return UserError(
        f"the store `{shown}` of kb `{kb.name}` is outside the project", "name a file inside it", code="E0206"
    )


def open_kb(build: Build, project: Project, kb: config.Kb) -> Store:
    """Open, or create, a KB's store in step with the source, everything derived; raises `UserError` as its parts do."""
    store = open_store(store_file(project, kb), kb, build.programs[kb.name])
    try:
        bring_in_step(store, project)
    except BaseException:
        store.close()
        raise
    return store


def migration(build: Build, project: Project, kb: config.Kb) -> list[TableChange]:
    """What a changed schema would change in a KB's store; empty where there is none yet, or nothing changes."""
    file = store_file(project, kb)
    if not file.is_file():
        return []
    connection = sqlite3.connect(file)
    try:
        return planned_changes(connection, Program.model_validate(build.programs[kb.name]))
    except sqlite3.DatabaseError as error:
        raise UserError(f"the knowledge base {file.name} cannot be read: {error}") from None
    finally:
        connection.close()


def migrate(build: Build, project: Project, kb: config.Kb, *, allow_loss: bool) -> None:
    """Bring a KB's store up to the schema; raises `UserError` (E0506) where rows would be lost, unless `allow_loss`."""
    program = build.programs[kb.name]
    with open_store(store_file(project, kb), kb, program, allow_loss=allow_loss) as store:
        bring_in_step(store, project)


def bring_in_step(store: Store, project: Project) -> None:
    """Make the source's rows those of the text and derive what follows; nothing runs where nothing changed.

    What other programs wrote meanwhile counts, but for the source's rows: these are the text's.
    """
    store.take_in_edits()
    sync_source(store, source_paths(store, project.file), project.state_dir / "rejects" / store.kb.name)
    evaluate(store)


def refuse_violations(store: Store) -> None:
    """Raises `UserError` (E0504), naming the facts, where the facts as they are break a `forbid`."""
    broken = violations(store, limit=1)
    if not broken:
        return
    first = broken[0]
    facts = ", ".join(
        f"{fact['relation']}({', '.join(shown(value) for value in fact['args'])})" for fact in first["facts"]
    )
    raise UserError(
        f"the facts of kb `{store.kb.name}` break `forbid {first['name']}`: {printable(facts)}",
        "mend the facts, or the constraint",
        code="E0504",
        span=first["span"],
    )
