"""manifest.json: what a build was made from and what it holds, by content hash; and whether that still holds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc import __version__
from nesyc.parsing.project import Loaded, read_project
from nesyc.parsing.settings_file import NAME as SETTINGS

if TYPE_CHECKING:
    from nesyc.ir import nodes

MANIFEST = "manifest.json"


def made_from(
    spec: nodes.Spec, loaded: Loaded, profile: str | None, params: Mapping[str, str], warnings: int
) -> dict[str, Any]:
    """What decides a build's bytes: version, sources, fact files, and what was given on the command line.

    `awaited` are included files that a stage is going to write; `warnings` counts those of the check, which are
    shown again as long as there are any.
    """
    facts = {
        f"{file.path.root and '@' + file.path.root + '/'}{file.path.pattern}": file.sha256
        for kb in spec.kbs
        for file in kb.fact_files
    }
    return {
        "nesyc": __version__,
        "spec": spec.path,
        "profile": profile,
        "params_given": dict(sorted(params.items())),
        "params": dict(spec.params),
        "sources": {
            name: digest(text.encode("utf-8", "surrogatepass")) for name, text in sorted(loaded.texts.items())
        },
        "fact_files": dict(sorted(facts.items())),
        "awaited": sorted(loaded.awaited),
        "warnings": warnings,
    }


def emit_manifest(made_from: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The text of manifest.json: `made_from`, and the hash of every generated file."""
    outputs = {name: digest(text.encode("utf-8")) for name, text in sorted(files.items())}
    return json.dumps({"v": 1, **made_from, "outputs": outputs}, indent=1, ensure_ascii=False) + "\n"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def unchanged(folder: Path, made_from: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The files of the build in `folder` where it is whole and made from just this; None where not."""
    manifest = _read(folder)
    same = all(manifest.get(key) == value for key, value in made_from.items())
    return _outputs(folder, manifest) if same else None


def unchanged_unread(
    folder: Path, spec: Path, profile: str | None, params: Mapping[str, str]
) -> tuple[str, ...] | None:
    """The same before anything is parsed: where every file that the build was made from still has its hash."""
    manifest, project = _read(folder), read_project(spec)
    try:
        sources: dict[str, str] = manifest["sources"]
        facts = {name: f"sha256:{hash_}" for name, hash_ in manifest["fact_files"].items()}
        same = (
            (manifest["nesyc"], manifest["warnings"]) == (__version__, 0)
            and (manifest["profile"], manifest["params_given"]) == (profile, dict(params))
            and project.path_of(manifest["spec"]).samefile(spec)
            and (project.root / SETTINGS).exists() == (SETTINGS in sources)
            and not any(project.path_of(name).exists() for name in manifest["awaited"])
            and _have_hashes({**sources, **facts}, project.path_of)
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return _outputs(folder, manifest) if same else None


def _read(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _outputs(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, ...] | None:
    try:
        outputs: dict[str, str] = manifest["outputs"]
        return tuple(outputs) if _have_hashes(outputs, folder.joinpath) else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _have_hashes(hashes: Mapping[str, str], path_of: Callable[[str], Path]) -> bool:
    return all(_file_digest(path_of(name)) == hash_ for name, hash_ in hashes.items())


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
