"""A source file as parsed, and parsed again after an edit without reading what the edit did not touch."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.layout import Layout
from nesyc.parsing.parse import parse_file
from nesyc.syntax import nodes


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """`text` as it is now; the spans of `file` point into `buffer`, which `layout` maps to `text`.

    The places of `diagnostics` are those of `text`. For a text that has some, `sound` is the last state without any.
    `is_tidy`: it is known that recovery would cut the file where the parser does (see `nesyc.parsing.tidy`).
    """

    text: str
    buffer: str
    layout: Layout
    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]
    sound: Source | None = None
    is_tidy: bool = False

    @property
    def is_edited(self) -> bool:
        """Whether only a part was parsed again, so that spans need `layout`."""
        return self.buffer is not self.text


@dataclass(frozen=True, slots=True)
class Edit:
    """`[start, end)` of the old text became `[start, end + growth)` of the new one; all else is equal."""

    start: int
    end: int
    growth: int


def parse_source(path: str, text: str) -> Source:
    """The file, parsed as a whole."""
    parsed = parse_file(path, text)
    return Source(text, text, Layout.whole(len(text)), parsed.file, parsed.diagnostics)


def parse_again(known: Source, text: str) -> Source:
    """The file as it is now, `known` being an earlier state: what `parse_source` gives, but for the places of nodes."""
    from nesyc.parsing.window import read_window  # an editor needs it, a check does not

    if text == known.text:
        return known
    sound = known.sound or known
    path = known.file.path
    if sound.diagnostics:
        return parse_source(path, text)
    # Stretches that are no longer used make the buffer grow; from time to time it starts again.
    if len(sound.buffer) <= 2 * len(text) + 100_000:
        found = read_window(sound, text, edit_between(sound.text, text))
        if found is not None:
            return found
    whole = parse_source(path, text)
    return replace(whole, sound=sound) if whole.diagnostics else whole


def ready_for_keys(source: Source) -> Source:
    """A file that was just parsed as a whole, prepared so that the first key that breaks it is not slower than others."""
    from nesyc.parsing.tidy import is_tidy

    if source.is_edited or source.diagnostics or source.is_tidy:
        return source
    return replace(source, is_tidy=is_tidy(source))


def edit_between(old: str, new: str) -> Edit:
    """The shortest stretch of `old` that differs from `new`."""
    shorter = min(len(old), len(new))
    start = _longest(shorter, lambda size: old[:size] == new[:size])
    end = _longest(shorter - start, lambda size: not size or old[-size:] == new[-size:])
    return Edit(start, len(old) - end, len(new) - len(old))


def _longest(limit: int, holds: Callable[[int], bool]) -> int:
    """The greatest size up to `limit` that `holds`, as all smaller ones do."""
    return bisect_left(range(1, limit + 1), True, key=lambda size: not holds(size))
