"""Which spec a file belongs to: itself, or those that include it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.parsing.paths import SHIPPED, locate, shipped_specs
from nesyc.parsing.project import find_project
from nesyc.parsing.settings_file import NAME, Settings, read_settings
from nesyc.syntax.nodes import Text

# A quick look, not a parse: a comment that looks like an include costs one more look at a file.
_INCLUDE = re.compile(r'\binclude\s+"([^"\\\n]*)"')
_FRAGMENT = re.compile(r"(?:\s|#[^\n]*\n)*+nesy\s+[0-9]+(?:\s|#[^\n]*\n)*+fragment\b")
SKIPPED = frozenset({"build", "runs", "node_modules", "__pycache__"})
MOST = 2000
"""So many .nesy files of a project are looked at."""


class Ownership:
    """Finds the specs of a file; remembers what the files on disk include until they change."""

    def __init__(self) -> None:
        self._read: dict[Path, tuple[tuple[int, int], tuple[str, ...], bool]] = {}

    def specs_of(self, path: Path, unsaved: Mapping[Path, str]) -> tuple[Path, ...]:
        """The specs that `path` is part of, nesyc.yaml's first; the file itself where nothing includes it."""
        root = find_project(path)
        settings = self._settings(root, unsaved)
        if path.name == NAME:
            return tuple(spec for spec in self.specs_in(root, unsaved))
        parents = self._parents(root, settings, unsaved)
        found: dict[Path, None] = {}
        seen, queue = {path}, [path]
        while queue:
            file = queue.pop()
            above = parents.get(file, ())
            if not above and not (file != path and self._look(file, unsaved)[1]):
                found[file] = None
            for parent in above:
                if parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        first = root / settings.spec if settings.spec else None
        return tuple(sorted(found, key=lambda spec: (spec != first, str(spec)))) or (path,)

    def specs_in(self, folder: Path, unsaved: Mapping[Path, str]) -> tuple[Path, ...]:
        """The specs that lie in a folder: its .nesy files that are no fragments and that nothing includes."""
        root = find_project(folder / "any.nesy")
        parents = self._parents(root, self._settings(root, unsaved), unsaved)
        return tuple(
            path for path in _nesy_files(folder) if path not in parents and not self._look(path, unsaved)[1]
        )

    def _settings(self, root: Path, unsaved: Mapping[Path, str]) -> Settings:
        text = unsaved.get(root / NAME)
        if text is None:
            try:
                text = (root / NAME).read_text(encoding="utf-8")
            except (OSError, ValueError):
                return Settings()
        return read_settings(text, root)

    def _parents(
        self, root: Path, settings: Settings, unsaved: Mapping[Path, str]
    ) -> dict[Path, tuple[Path, ...]]:
        """Who includes whom, from the included file's side."""
        parents: dict[Path, tuple[Path, ...]] = {}
        roots = {**settings.roots, SHIPPED: shipped_specs()}
        open_here = (path for path in unsaved if path.suffix == ".nesy" and path.is_relative_to(root))
        for path in dict.fromkeys((*_nesy_files(root), *open_here)):
            name = path.relative_to(root).as_posix()
            for value in self._look(path, unsaved)[0]:
                found = locate(Text(value, Span(name, 0, 0)), root, roots)
                if not isinstance(found, Diagnostic) and found[1] != path:
                    parents[found[1]] = (*parents.get(found[1], ()), path)
        return parents

    def _look(self, path: Path, unsaved: Mapping[Path, str]) -> tuple[tuple[str, ...], bool]:
        """What a file includes, and whether it is a fragment."""
        text = unsaved.get(path)
        if text is not None:
            return tuple(_INCLUDE.findall(text)), _FRAGMENT.match(text) is not None
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                text = path.read_text(encoding="utf-8")
                known = (stamp, tuple(_INCLUDE.findall(text)), _FRAGMENT.match(text) is not None)
                self._read[path] = known
        except (OSError, ValueError):
            return (), False
        return known[1:]


def _nesy_files(folder: Path) -> Iterator[Path]:
    """The .nesy files below a folder in order, hidden and generated folders left out."""
    count = 0
    for base, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("."))
        for name in sorted(files):
            if name.endswith(".nesy"):
                count += 1
                if count > MOST:
                    return
                yield Path(base, name)
