"""`nesyc clean`: what can be made again and nothing refers to. Answers that were paid for are never among it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nesyc_runtime.files import printable
from nesyc_runtime.project import Project
from nesyc_runtime.stages.shelf import PARTIAL, Shelf


@dataclass(frozen=True, slots=True)
class Leftover:
    """A folder that may go: `why` it may, and the `bytes` that come free."""

    folder: Path
    why: str
    bytes: int


def leftovers(project: Project, build: Path) -> list[Leftover]:
    """Builds; stages that were done again in another state since; unpacked base models; training rows as tokens, and what
    teachers find likeliest there."""
    return [Leftover(folder, why, _size(folder)) for folder, why in _folders(project, build)]


def _folders(project: Project, build: Path) -> Iterator[tuple[Path, str]]:
    for manifest in sorted(build.glob("*/manifest.json")):
        yield manifest.parent, "compiled"
    shelf = Shelf(project.stages_dir)
    kept = shelf.kept()
    for folder in sorted(project.stages_dir.glob("*/")):
        broken_off = folder.name.endswith(PARTIAL)
        if not broken_off and folder.name not in kept:
            info = shelf.find(folder.name)
            kind = printable(str(info.info.get("kind")), 60) if info is not None else "unreadable"
            yield folder, f"a stage in an earlier state, {kind}"
    for folder in sorted((project.state_dir / "bases").glob("*/")):
        yield folder, "a base model, unpacked"
    for folder in sorted((project.state_dir / "tokens").glob("*/")):
        yield folder, "training rows as tokens"
    for folder in sorted((project.state_dir / "likeliest").glob("*/")):
        yield folder, "a teacher's likeliest tokens of training rows"


def remove(found: list[Leftover]) -> int:
    """Delete them; the bytes that came free."""
    for leftover in found:
        shutil.rmtree(leftover.folder, ignore_errors=True)
    return sum(leftover.bytes for leftover in found if not leftover.folder.exists())


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink())
