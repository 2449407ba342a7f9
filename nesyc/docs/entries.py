"""What a page shows: every declaration of a spec, by kind, with its source and what stands above it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from nesyc.diagnostics.span import Span
from nesyc.docs.source import Anchors, Code, Painter
from nesyc.index import build_index
from nesyc.syntax import nodes as ast
from nesyc.workspace import Checked

HEADINGS = {
    "param": "Parameters", "enum": "Enums", "dataset": "Datasets", "task": "Tasks", "teacher": "Teachers",
    "student": "Students", "embedder": "Embedders", "kb": "Knowledge bases", "retrieve": "Retrieval",
    "method": "Methods", "pipeline": "Pipelines", "answer": "Answers", "evaluate": "Evaluations", "test": "Tests",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A declaration. `description` is the comment directly above it; `parts` lie inside it and have entries of their own.

    `code` is None where the parts show the whole source. `text` is a prompt's template as it is sent.
    """

    kind: str
    name: str
    anchor: str
    span: Span
    description: str = ""
    code: Code | None = None
    text: str | None = None
    parts: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Section:
    heading: str
    anchor: str
    entries: tuple[Entry, ...]


def sections_of(checked: Checked) -> tuple[Section, ...]:
    """The sections of a page, in a fixed order; a kind that is not declared has none."""
    found = [_named(entry) for entry in _declarations(checked)]
    entries = _unique(found)
    index = build_index(checked.tables)
    places = [(part.span, part.anchor) for entry in entries for part in (entry, *entry.parts)]
    painter = Painter(checked.loaded.sources, index, Anchors(index, places))
    painted = [_painted(entry, painter) for entry in entries]
    return tuple(
        Section(heading, f"section-{kind}", tuple(entry for entry in painted if entry.kind == kind))
        for kind, heading in HEADINGS.items()
        if any(entry.kind == kind for entry in painted)
    )


def _declarations(checked: Checked) -> Iterator[Entry]:
    for file in checked.loaded.files:
        for node in file.declarations:
            match node:
                case ast.Include() | ast.Allow():
                    continue
                case ast.Kb():
                    items = checked.tables.symbols.kbs[node.name.text]
                    written = (*node.items, *_of_fragments(checked, node.name.text))
                    yield _entry("kb", items.name, node.span, _kb_parts(written))
                case ast.Test():
                    yield _entry("test", node.name.value, node.span)
                case ast.Answer():
                    yield _entry("answer", node.task.text, node.span)
                case ast.Task():
                    yield _entry("task", node.name.text, node.span, _task_parts(node))
                case ast.Pipeline() | ast.Method():
                    stages = [_entry("stage", stage.name.text, stage.span) for stage in node.stages]
                    yield _entry(type(node).__name__.lower(), node.name.text, node.span, stages)
                case _:
                    yield _entry(type(node).__name__.lower(), node.name.text, node.span)


def _of_fragments(checked: Checked, kb: str) -> Iterator[ast.KbItem]:
    for file in checked.loaded.files:
        if file.fragment_of is not None and file.fragment_of.text == kb:
            yield from file.fragment_items


def _entry(kind: str, name: str, span: Span, parts: Sequence[Entry] = (), text: str | None = None) -> Entry:
    return Entry(kind, name, "", span, text=text, parts=tuple(parts))


def _kb_parts(items: Sequence[ast.KbItem]) -> list[Entry]:
    parts: list[Entry] = []
    for item in items:
        match item:
            case ast.Relation():
                kind = "derived" if item.derived else "relation"
                parts.append(_entry(kind, item.name.text, item.span))
            case ast.Rule():
                parts.append(_entry("rule", item.name.text, item.span))
            case ast.Forbid():
                parts.append(_entry("forbid", item.name.text, item.span))
            case ast.Facts():
                parts.append(_entry("facts", item.relation.text, item.span))
            case ast.Say():
                parts.append(_entry("say", item.relation.text, item.span))
            case ast.Setting():
                parts.append(_entry("setting", item.key.text, item.span))
            case ast.Include() | ast.Allow():
                continue
    order = ("setting", "relation", "derived", "facts", "rule", "forbid", "say")
    return sorted(parts, key=lambda part: order.index(part.kind))


def _task_parts(task: ast.Task) -> list[Entry]:
    prompts = [
        _entry("prompt", f".{p.variant.name}" if p.variant else "prompt", p.span, text=p.text.value)
        for p in task.prompts
    ]
    return [*prompts, *(_entry("metric", metric.name.text, metric.span) for metric in task.metrics)]


def _named(entry: Entry, owner: str = "") -> Entry:
    """With anchors: what a link to it is called, the same as long as the name is."""
    name = re.sub(r"[^\w.-]+", "-", entry.name).strip("-.") or "unnamed"
    anchor = f"{entry.kind}-{owner}{name}"
    parts = tuple(_named(part, f"{name}.") for part in entry.parts)
    return replace(entry, anchor=anchor, parts=parts)


def _unique(entries: Sequence[Entry]) -> list[Entry]:
    taken: dict[str, int] = {}

    def free(entry: Entry) -> Entry:
        taken[entry.anchor] = number = taken.get(entry.anchor, 0) + 1
        anchor = entry.anchor if number == 1 else f"{entry.anchor}~{number}"
        return replace(entry, anchor=anchor, parts=tuple(free(part) for part in entry.parts))

    return [free(entry) for entry in entries]


def _painted(entry: Entry, painter: Painter) -> Entry:
    shows_parts = entry.kind in ("kb", "method") or (entry.kind == "pipeline" and entry.parts)
    return replace(
        entry,
        description=comment_above(painter.text(entry.span.file), entry.span.start),
        code=None if shows_parts or entry.kind == "prompt" else painter.code(entry.span),
        parts=tuple(_painted(part, painter) for part in entry.parts),
    )


def comment_above(text: str, start: int) -> str:
    """The lines of comment that end on the line before the one `start` lies in, without their `#`."""
    found: list[str] = []
    end = text.rfind("\n", 0, start)
    while end >= 0:
        begin = text.rfind("\n", 0, end) + 1
        line = text[begin:end].strip()
        if not line.startswith("#"):
            break
        found.append(line.lstrip("#").strip())
        end = begin - 1
    return "\n".join(reversed(found)).strip()
