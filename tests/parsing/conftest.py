"""What the parsing tests share: the sample specs and ways to look at a tree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from nesyc.diagnostics import Span
from nesyc.syntax import nodes

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SAMPLE_FILES = ("kinship/kinship.nesy", "kinship/rules/learned.nesy", "methods.nesy")


@pytest.fixture(params=SAMPLE_FILES)
def sample(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name and the text of a sample spec."""
    return request.param, (SAMPLES / request.param).read_text(encoding="utf-8")


@pytest.fixture
def sample_text() -> str:
    """The text of kinship.nesy, the sample with one of everything."""
    return (SAMPLES / SAMPLE_FILES[0]).read_text(encoding="utf-8")


def walk(node: Any) -> Iterator[Any]:
    """All nodes below and with `node`, parents first."""
    if isinstance(node, tuple):
        for part in node:
            yield from walk(part)
    elif is_dataclass(node) and not isinstance(node, Span):
        yield node
        for field in fields(node):
            yield from walk(getattr(node, field.name))


def without_spans(node: Any) -> Any:
    """A tree as nested tuples without its places: equal for the same text in another place."""
    if isinstance(node, tuple):
        return tuple(map(without_spans, node))
    if is_dataclass(node):
        parts = (getattr(node, field.name) for field in fields(node) if field.name not in ("span", "path"))
        return (type(node).__name__, *map(without_spans, parts))
    return node


def kb_items(file: nodes.File) -> tuple[nodes.KbItem, ...]:
    (kb,) = (declaration for declaration in file.declarations if isinstance(declaration, nodes.Kb))
    return kb.items
