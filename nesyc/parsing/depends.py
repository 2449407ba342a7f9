"""The files a check depends on, so that a change of one is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.parsing.paths import SHIPPED, locate, shipped_specs
from nesyc.parsing.project import Loaded
from nesyc.parsing.settings_file import NAME
from nesyc.syntax import nodes

_PATTERN = frozenset("*?[{")


def depends_on(loaded: Loaded) -> frozenset[Path]:
    """Every file that a spec names and that decides what a check says, whether it is there or not.

    That is nesyc.yaml, the spec, what it includes, and the files that facts and data sets are read from;
    of a pattern (`data/*.json`) the folder and what lies in it.
    """
    project = loaded.project
    roots = {**project.roots, SHIPPED: shipped_specs()}
    found = {project.root / NAME, project.root / loaded.main.path}
    for file in loaded.files:
        for path in _paths(file):
            place = locate(path, project.root, roots)
            if not isinstance(place, Diagnostic):
                found.update(_matched(place[1]))
    return frozenset(found)


def _paths(node: Any) -> Iterator[nodes.Text]:
    """The paths below a node: of includes, of `facts ... from` and of splits."""
    if isinstance(node, nodes.Include):
        yield node.path
    elif isinstance(node, nodes.Facts):
        yield from _texts(node.source)
    elif isinstance(node, nodes.Dataset):
        yield from _texts((*node.splits, *node.settings))
    elif isinstance(node, (nodes.File, nodes.Kb)):
        for field in fields(node):
            yield from _paths(getattr(node, field.name))
    elif isinstance(node, tuple):
        for part in node:
            yield from _paths(part)


def _texts(node: Any) -> Iterator[nodes.Text]:
    if isinstance(node, nodes.Text):
        yield node
    elif isinstance(node, tuple):
        for part in node:
            yield from _texts(part)
    elif is_dataclass(node) and not isinstance(node, Span):
        for field in fields(node):
            yield from _texts(getattr(node, field.name))


def _matched(path: Path) -> list[Path]:
    if not _PATTERN & set(path.name):
        return [path]
    try:
        return [path.parent, *path.parent.iterdir()]
    except OSError:
        return [path.parent]
