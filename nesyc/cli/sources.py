"""The .nesy files that paths on the command line mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

_PASSED_BY = frozenset(("build", "node_modules", "runs", "venv"))


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Files as they are named; of folders, every .nesy file below them, each file once.

    Folders of tools are passed by (hidden ones, build, node_modules, runs, venv), and links to folders.
    """
    found: dict[Path, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_below(path) if path.is_dir() else [path]))
    return list(found)


def _below(folder: Path) -> Iterator[Path]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in _PASSED_BY)
        for name in sorted(files):
            if name.endswith(".nesy"):
                yield Path(place, name)
