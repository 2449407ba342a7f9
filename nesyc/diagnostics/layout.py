"""Where spans stand in a text that was edited since they were made.

Spans of a file point into its *buffer*: the text that was parsed first, with every stretch that was parsed anew
after an edit appended to it. Nothing in the buffer ever moves, so what was learned of an untouched rule stays true
as it is; a `Layout` says which stretches of the buffer make up the text of now, and where.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from nesyc.diagnostics.diagnostic import Diagnostic
from nesyc.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class Piece:
    """`size` code points that stand at `origin` in the buffer and at `start` in the text."""

    origin: int
    start: int
    size: int

    def part(self, start: int, end: int) -> Piece:
        """What of it lies in `[start, end)` of the text."""
        first, last = max(start, self.start), min(end, self.start + self.size)
        return Piece(self.origin + first - self.start, first, max(0, last - first))


@dataclass(frozen=True, slots=True)
class Layout:
    """`pieces` in the order of the text, which they make up without a gap."""

    pieces: tuple[Piece, ...]
    _by_origin: tuple[Piece, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_origin", tuple(sorted(self.pieces, key=_origin)))

    @classmethod
    def whole(cls, size: int) -> Layout:
        """A text as it was parsed, unedited."""
        return cls((Piece(0, 0, size),))

    def offset(self, origin: int) -> int:
        """Where a place of the buffer stands in the text; of what was cut out, the place where it was."""
        at = bisect_right(self._by_origin, origin, key=_origin) - 1
        if at < 0:
            return 0
        piece = self._by_origin[at]
        return piece.start + min(origin - piece.origin, piece.size)

    def place(self, span: Span) -> Span:
        """A span of the buffer as a span of the text. What stands between its ends may have been edited."""
        return Span(span.file, self.offset(span.start), self.offset(span.end))

    def size(self, span: Span) -> int:
        """How many code points of the text a span of the buffer takes now."""
        return self.offset(span.end) - self.offset(span.start)

    def replaced(self, start: int, end: int, origin: int, size: int) -> Layout:
        """The layout after `text[start:end]` gave way to `size` code points at `origin` of the buffer."""
        shift = size - (end - start)
        before = [piece.part(piece.start, start) for piece in self.pieces]
        after = [piece.part(end, piece.start + piece.size) for piece in self.pieces]
        moved = [replace(piece, start=piece.start + shift) for piece in after]
        pieces = (*before, Piece(origin, start, size), *moved)
        return Layout(tuple(piece for piece in pieces if piece.size))


def _origin(piece: Piece) -> int:
    return piece.origin


def moved(found: Diagnostic, place: Callable[[Span], Span]) -> Diagnostic:
    """The same diagnostic with all its places moved."""
    help_ = found.help
    if help_ is not None and help_.edits:
        help_ = replace(help_, edits=tuple(replace(edit, span=place(edit.span)) for edit in help_.edits))
    related = tuple(replace(other, span=place(other.span)) for other in found.related)
    return replace(found, span=place(found.span), related=related, help=help_)
