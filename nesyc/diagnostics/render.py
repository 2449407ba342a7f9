"""A diagnostic as text: the message, the places in their lines, notes and help."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from nesyc.diagnostics.diagnostic import Diagnostic
from nesyc.diagnostics.shown import shown, width
from nesyc.diagnostics.source_map import SourceMap
from nesyc.diagnostics.span import Span

LONGEST_LINE = 140
"""Cells of a source line that are shown; a longer line is cut around the mark."""
MANY_LINES = 3
"""So many lines between two marks are shown, more are left out."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A range in one line, in code points from its start, with what stands under it."""

    file: str
    line: int
    start: int
    end: int
    sign: str
    label: str


def render_text(diagnostics: Iterable[Diagnostic], sources: SourceMap) -> str:
    """All diagnostics as plain text, a blank line between them; empty for none."""
    return "\n".join(render_one(diagnostic, sources) for diagnostic in diagnostics)


def render_one(diagnostic: Diagnostic, sources: SourceMap) -> str:
    """One diagnostic in the form of docs/diagnostics.md, with a line end."""
    marks = _marks(diagnostic, sources)
    gutter = max(len(str(mark.line)) for mark in marks)
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {_flat(diagnostic.message)}"]
    for _, group in groupby(marks, key=lambda mark: mark.file):
        of_file = list(group)
        # The head of a frame names the diagnostic's own place, or the first place of a further file.
        own = diagnostic.span if of_file[0].file == diagnostic.span.file else None
        lines += _frame(of_file, own, sources, gutter)
    for note in diagnostic.notes:
        lines += _paragraph("note", note)
    if diagnostic.help is not None:
        lines += _paragraph("help", diagnostic.help.message)
    return "\n".join(lines) + "\n"


def _marks(diagnostic: Diagnostic, sources: SourceMap) -> list[Mark]:
    """The marks of all places, those in the diagnostic's own file first, each file's by position."""
    moved = any(related.cause for related in diagnostic.related)
    marks = [_mark(diagnostic.span, "-" if moved else "^", diagnostic.label, sources)]
    for related in diagnostic.related:
        marks.append(_mark(related.span, "^" if related.cause else "-", related.message, sources))
    files = list(dict.fromkeys(mark.file for mark in marks))
    return sorted(marks, key=lambda mark: (files.index(mark.file), mark.line, mark.start))


def _mark(span: Span, sign: str, label: str, sources: SourceMap) -> Mark:
    place = sources.place(span)
    length = len(sources.line(span.file, place.line))
    end = place.end_col - 1 if place.end_line == place.line else length
    start = min(place.col - 1, length)
    return Mark(span.file, place.line, start, max(end, start + 1), sign, _flat(label))


def _frame(marks: Sequence[Mark], own: Span | None, sources: SourceMap, gutter: int) -> list[str]:
    file = marks[0].file
    place = sources.place(own) if own is not None else None
    line, col = (place.line, place.col) if place else (marks[0].line, marks[0].start + 1)
    lines = [f"  ┌─ {shown(file)}:{line}:{col}"]
    if not sources.has(file):
        return lines + [f"  = note: {mark.label}" for mark in marks if mark.label]
    previous = 0
    for number, group in groupby(marks, key=lambda mark: mark.line):
        if previous and number - previous > MANY_LINES + 1:
            lines.append(f"{'...':>{gutter}}")
        elif previous:
            for between in range(previous + 1, number):
                lines.append(_source_line(sources, file, between, gutter))
        lines += _marked_line(list(group), sources, gutter)
        previous = number
    return lines


def _source_line(sources: SourceMap, file: str, number: int, gutter: int) -> str:
    text = _crop(sources.line(file, number), 0)[1]
    return f"{number:>{gutter}} │ {text}".rstrip()


def _marked_line(marks: list[Mark], sources: SourceMap, gutter: int) -> list[str]:
    source = sources.line(marks[0].file, marks[0].line)
    # All marks of a line are shown from the first one on: cutting there loses the least.
    left, text = _crop(source, marks[0].start)
    columns = [(_cells(source, left, mark.start), _cells(source, left, mark.end), mark) for mark in marks]
    under: list[str] = []
    for begin, end, mark in columns:
        end = min(max(end, begin + 1), LONGEST_LINE + 2)
        if begin < end:
            under += [" "] * (end - len(under))
            for cell in range(begin, end):
                if under[cell] != "^":
                    under[cell] = mark.sign
    empty = " " * gutter + " │ "
    labelled = [(begin, end, mark) for begin, end, mark in columns if mark.label]
    lines = [f"{marks[0].line:>{gutter}} │ {text}".rstrip(), empty + "".join(under)]
    if labelled and labelled[-1][1] >= len(under):
        lines[-1] += " " + labelled.pop()[2].label
    lines += [empty + " " * begin + mark.label for begin, _, mark in reversed(labelled)]
    return lines


def _crop(source: str, start: int) -> tuple[int, str]:
    """The offset from which a long line is shown, and what is shown of it."""
    # Escapes make a character longer, so a line is first cut by code points and then by cells.
    left = max(0, start - LONGEST_LINE // 2) if len(source) > LONGEST_LINE else 0
    text = shown(source[left : left + LONGEST_LINE])
    if width(text) > LONGEST_LINE and left == 0 and start > LONGEST_LINE // 8:
        left = max(0, start - LONGEST_LINE // 8)
        text = shown(source[left : left + LONGEST_LINE])
    cut = text[:LONGEST_LINE]
    more = len(text) > LONGEST_LINE or left + LONGEST_LINE < len(source)
    return left, ("…" if left else "") + cut + ("…" if more else "")


def _cells(source: str, left: int, column: int) -> int:
    """The cell under which the character at `column` stands, in a line shown from `left` on."""
    past_end = max(0, column - len(source))
    before = source[left : min(column, left + LONGEST_LINE)]
    return min((1 if left else 0) + width(shown(before)) + past_end, LONGEST_LINE + 1)


def _flat(text: str) -> str:
    return " ".join(shown(part) for part in text.splitlines()) if "\n" in text else shown(text)


def _paragraph(kind: str, text: str) -> list[str]:
    """A note or help; further lines of it (a mended text) stand under the first one's words."""
    head = f"  = {kind}: "
    parts = text.split("\n")
    return [head + shown(parts[0]), *(" " * len(head) + shown(part) for part in parts[1:])]
