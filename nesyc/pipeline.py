"""The compiler from end to end: a spec's path in; diagnostics, the typed IR or a build folder out.

Checks and emitters are loaded when something is compiled: most commands find a build that is up to date.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from nesyc.diagnostics import Diagnostic
from nesyc.emit.files import write_atomic
from nesyc.emit.manifest import MANIFEST, emit_manifest, made_from, unchanged, unchanged_unread
from nesyc.parsing.project import Loaded

if TYPE_CHECKING:
    from nesyc.ir import nodes
    from nesyc.workspace import Checked


@dataclass(frozen=True)
class Compiled:
    """A spec as compiled: `changed` where the build differed, `files` the paths inside the build folder.

    `name` is None where errors forbade it. What was not read, because nothing had changed, is read when asked for.
    """

    name: str | None
    diagnostics: tuple[Diagnostic, ...]
    changed: bool
    files: tuple[str, ...]
    _check: Callable[[], Checked]

    @cached_property
    def checked(self) -> Checked:
        return self._check()

    @property
    def loaded(self) -> Loaded:
        return self.checked.loaded

    @property
    def spec(self) -> nodes.Spec | None:
        return self.checked.spec


def check_spec(
    path: Path,
    *,
    profile: str | None = None,
    params: Mapping[str, str] | None = None,
    unsaved: Mapping[Path, str] | None = None,
) -> Checked:
    """`nesyc.workspace.check_spec`: read and check a spec once."""
    from nesyc.workspace import check_spec as check

    return check(path, profile=profile, params=params, unsaved=unsaved)


def compile_spec(
    path: Path,
    build: Path,
    *,
    profile: str | None = None,
    params: Mapping[str, str] | None = None,
    again: bool = False,
) -> Compiled:
    """Check a spec and write `build`/NAME/; a spec with errors writes nothing.

    A build made from the same files by the same version stays as it is, and they are not even parsed; `again` writes it
    all the same. The manifest
    goes first and comes last, so that a build cut off in the middle is never taken for a whole one.
    """
    given, name = params or {}, path.stem
    check = partial(check_spec, path, profile=profile, params=given)
    folder = build / name
    files = None if again else unchanged_unread(folder, path, profile, given)
    if files is not None:
        _name_current(build, name, path)
        return Compiled(name, (), False, (*files, MANIFEST), check)
    from nesyc.workspace import no_collection

    with no_collection():
        return _compile(check(), build, path, profile, given, again)


def _compile(
    checked: Checked, build: Path, path: Path, profile: str | None, params: Mapping[str, str], again: bool
) -> Compiled:
    spec, found = checked.spec, checked.diagnostics
    if spec is None:
        return Compiled(None, found, False, (), lambda: checked)
    folder = build / spec.name
    origin = made_from(spec, checked.loaded, profile, params, len(found))
    files = None if again else unchanged(folder, origin)
    changed = files is None
    if files is None:
        from nesyc.emit.build import emit_build

        generated = emit_build(spec)
        _write(folder, generated, emit_manifest(origin, generated))
        files = tuple(generated)
    _name_current(build, spec.name, path)
    return Compiled(spec.name, found, changed, (*files, MANIFEST), lambda: checked)


def forms(
    path: Path, form: str, *, profile: str | None = None, params: Mapping[str, str] | None = None
) -> tuple[Checked, str | None]:
    """One text form of a spec: `ast` (also of a spec with errors), `ir`, `sql` or `py`; None where errors forbid it."""
    from nesyc.emit.build import emit_build
    from nesyc.ir.encode import encode
    from nesyc.syntax.dump import dump

    checked = check_spec(path, profile=profile, params=params)
    if form == "ast":
        return checked, "\n".join(dump(file, checked.loaded.sources) for file in checked.loaded.files)
    if checked.spec is None:
        return checked, None
    if form == "ir":
        return checked, json.dumps(encode(checked.spec), indent=1, ensure_ascii=False) + "\n"
    files = emit_build(checked.spec)
    comment = "--" if form == "sql" else "#"
    chosen = [f"{comment} {name}\n{text}" for name, text in files.items() if name.endswith(f".{form}")]
    return checked, "\n".join(chosen)


def _write(folder: Path, files: Mapping[str, str], manifest: str) -> None:
    (folder / MANIFEST).unlink(missing_ok=True)
    for stale in sorted(folder.rglob("*"), reverse=True):
        if stale.is_file() and stale.relative_to(folder).as_posix() not in files:
            stale.unlink()
        elif stale.is_dir() and not any(stale.iterdir()):
            stale.rmdir()
    for name, text in files.items():
        write_atomic(folder / name, text)
    write_atomic(folder / MANIFEST, manifest)


def _name_current(build: Path, name: str, spec: Path) -> None:
    """`current` names the spec compiled last; `specs.json` says where each spec lies, seen from the build folder."""
    where = build / "specs.json"
    try:
        known = json.loads(where.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    known = known if isinstance(known, dict) else {}
    relative = Path(os.path.relpath(spec.resolve(), build.resolve())).as_posix()
    if known.get(name) != relative:
        write_atomic(where, json.dumps({**known, name: relative}, indent=1, sort_keys=True) + "\n")
    if not (build / "current").is_file() or (build / "current").read_text(encoding="utf-8") != f"{name}\n":
        write_atomic(build / "current", f"{name}\n")
