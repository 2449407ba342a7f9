"""The compiler from end to end: a spec's path in; diagnostics, the typed IR or a build folder out."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesyc import __version__
from nesyc.diagnostics import Diagnostic
from nesyc.emit.build import emit_build
from nesyc.emit.files import write_atomic
from nesyc.emit.manifest import digest, emit_manifest
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc.parsing.project import Loaded
from nesyc.syntax.dump import dump
from nesyc.workspace import Checked as Checked
from nesyc.workspace import check_spec as check_spec


@dataclass(frozen=True, slots=True)
class Compiled:
    """A spec as compiled: `changed` where the build differed, `files` the paths inside the build folder."""

    loaded: Loaded
    diagnostics: tuple[Diagnostic, ...]
    spec: nodes.Spec | None
    changed: bool
    files: tuple[str, ...]


def compile_spec(
    path: Path,
    build: Path,
    *,
    profile: str | None = None,
    params: Mapping[str, str] | None = None,
) -> Compiled:
    """Check a spec and write `build`/NAME/; a spec with errors writes nothing.

    A build made from the same sources by the same version stays as it is. The manifest goes first and
    comes last, so that a build cut off in the middle is never taken for a whole one.
    """
    checked = check_spec(path, profile=profile, params=params)
    if checked.spec is None:
        return Compiled(checked.loaded, checked.diagnostics, None, False, ())
    folder = build / checked.spec.name
    made_from = _made_from(checked, profile, params or {})
    files = _unchanged(folder, made_from)
    changed = files is None
    if files is None:
        generated = emit_build(checked.spec)
        _write(folder, generated, emit_manifest(made_from, generated))
        files = tuple(generated)
    _name_current(build, checked.spec.name, path)
    return Compiled(checked.loaded, checked.diagnostics, checked.spec, changed, (*files, MANIFEST))


def forms(
    path: Path, form: str, *, profile: str | None = None, params: Mapping[str, str] | None = None
) -> tuple[Checked, str | None]:
    """One text form of a spec: `ast` (also of a spec with errors), `ir`, `sql` or `py`; None where errors forbid it."""
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


MANIFEST = "manifest.json"


def _made_from(checked: Checked, profile: str | None, params: Mapping[str, str]) -> dict[str, Any]:
    """What decides a build's bytes: version, sources, fact files, and what was given on the command line."""
    assert checked.spec is not None
    facts = {
        f"{file.path.root and '@' + file.path.root + '/'}{file.path.pattern}": file.sha256
        for kb in checked.spec.kbs
        for file in kb.fact_files
    }
    return {
        "nesyc": __version__,
        "spec": checked.spec.path,
        "profile": profile,
        "params_given": dict(sorted(params.items())),
        "params": dict(checked.spec.params),
        "sources": {
            name: digest(text.encode("utf-8", "surrogatepass"))
            for name, text in sorted(checked.loaded.texts.items())
        },
        "fact_files": dict(sorted(facts.items())),
    }


def _unchanged(folder: Path, made_from: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The files of the build in `folder` where it is whole and made from the same; None where not."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        outputs: dict[str, str] = manifest["outputs"]
        same = all(manifest.get(key) == value for key, value in made_from.items())
        whole = same and all(digest((folder / name).read_bytes()) == hash_ for name, hash_ in outputs.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return tuple(outputs) if whole else None


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
