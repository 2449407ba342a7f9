"""Writes lines: where they break is the layouts' business, comments and indentation are this file's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nesyc.format.concrete import Child, Gap, Node
from nesyc.format.one_line import WIDTH, one_line
from nesyc.format.read import Source
from nesyc.parsing.lexer import Token

STEP = 2
COMMENTS = 46
"""Where comments at the end of a line begin, if the line leaves room for them."""
_NONE = Gap()


@dataclass(slots=True)
class Line:
    text: str
    comment: str = ""


Layout: TypeAlias = "Callable[[Printer, Node, int], None]"
"""Prints a node that does not fit on the rest of the line; the third argument is what must follow it there."""


class Printer:
    """The lines so far, and the one being written; `pads` are blanks after a child (by `id`), to line up."""

    def __init__(self, source: Source, layouts: Mapping[str, Layout], default: Layout) -> None:
        self.gaps = source.gaps
        self.layouts, self.default = layouts, default
        self.lines: list[Line] = []
        self.parts: list[str] = []
        self.column = 0
        self.indent = 0
        self.pads: dict[int, int] = {}

    # --- within a line ------------------------------------------------------------------------

    def write(self, text: str) -> None:
        self.parts.append(text)
        self.column = self.column + len(text) if "\n" not in text else len(text) - text.rfind("\n") - 1

    def fits(self, text: str, tail: int) -> bool:
        return self.column + len(text) + tail <= WIDTH

    def body(self, child: Child, tail: int = 0) -> None:
        """Print a child on the rest of the line, or by its layout; `tail` columns must follow on its last line."""
        if isinstance(child, Token):
            self.write(child.text.replace("\r\n", "\n"))
        elif child.flat is not None and self.fits(child.flat, tail):
            self.write(child.flat)
        else:
            self.layouts.get(child.kind, self.default)(self, child, tail)

    def item(self, child: Child) -> None:
        """Print an item of a block, padded where it is to line up with its neighbours."""
        if isinstance(child, Token) or not any(id(part) in self.pads for part in child.children[:6]):
            self.body(child)
        elif child.flat is None or not self.row(child.kind, child.children):
            self.layouts.get(child.kind, self.default)(self, child, 0)

    def pad(self, child: Child) -> None:
        """The blanks after a child that make its right neighbour line up."""
        if id(child) in self.pads:
            self.write(" " * self.pads[id(child)])

    def row(self, kind: str, children: Sequence[Child], tail: int = 0) -> bool:
        """Print children side by side if they fit on the rest of the line; say whether they did."""
        text = one_line(kind, children, self.gaps, self.pads)
        if text is None or not self.fits(text, tail):
            return False
        self.write(text)
        return True

    def commented(self, child: Child) -> bool:
        return bool(self.gaps.get(child.start, _NONE).comments)

    # --- between lines ------------------------------------------------------------------------

    def new_line(self, child: Child, *, inner: int = 0) -> None:
        """Begin a line for the child, below the comments before it (those `inner` columns further in)."""
        self._next_line(self.gaps.get(child.start, _NONE), inner, groups=False, first=True)

    def item_line(self, child: Child, *, first: bool) -> None:
        """Begin a line for an item of a block: groups stay apart by one empty line."""
        self._next_line(self.gaps.get(child.start, _NONE), 0, groups=True, first=first)

    def last_line(self, gap: Gap, *, inner: int, first: bool) -> None:
        """Begin a line for what ends a block, or for nothing at the end of the file."""
        self._next_line(Gap(gap.comments), inner, groups=True, first=first)

    def _next_line(self, gap: Gap, inner: int, *, groups: bool, first: bool) -> None:
        comments = gap.comments
        ending = comments[0].text if comments and not comments[0].own else ""
        self._finish(ending)
        margin = " " * (self.indent + inner)
        for comment in comments[bool(ending) :]:
            if groups and comment.blank and not first:
                self.lines.append(Line(""))
            self.lines.append(Line(margin + comment.text))
            first = False
        if groups and gap.blank and not first:
            self.lines.append(Line(""))
        self.parts, self.column = [" " * self.indent], self.indent

    def _finish(self, comment: str) -> None:
        text = "".join(self.parts)
        if text.strip():
            self.lines.append(Line(text, comment))
        elif comment:
            self.lines.append(Line(text + comment))

    def text(self) -> str:
        """All lines, comments at their ends lined up: in one column, or two blanks after the longest of a run."""
        self._finish("")
        self.parts = []
        written: list[str] = []
        run: list[Line] = []
        for line in [*self.lines, Line("")]:
            if line.comment:
                run.append(line)
                continue
            column = max([COMMENTS, *(_last_width(item.text) + 2 for item in run)])
            for item in run:
                blanks = " " * (column - _last_width(item.text))
                written.append(f"{item.text}{blanks}{item.comment}\n")
            run = []
            written.append(line.text + "\n")
        return "".join(written[:-1])


def _last_width(text: str) -> int:
    return len(text) - text.rfind("\n") - 1
