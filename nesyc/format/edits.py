"""The difference that formatting makes, as small edits: an editor's cursor and marks stay where they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nesyc.diagnostics import Edit
from nesyc.diagnostics.span import Span
from nesyc.format.format import format_text, words
from nesyc.parsing.lexer import tokenize

_COMMENT = re.compile(r"#[^\n]*")


def format_edits(path: str, text: str) -> tuple[Edit, ...]:
    """What to change in `text` to format it, in order; nothing where the text does not parse."""
    formatted = format_text(path, text).text
    return () if formatted is None else tuple(_edits(path, text, formatted))


def format_range(path: str, text: str, start: int, end: int) -> tuple[Edit, ...]:
    """The edits of `format_edits` that touch `text[start:end]`; each can be made without the others."""
    edits = format_edits(path, text)
    return tuple(edit for edit in edits if edit.span.start <= end and edit.span.end >= start)


def _edits(path: str, old: str, new: str) -> Iterator[Edit]:
    """Both texts hold the same words: what differs stands between them.

    Where a comment moved past a word, one edit goes from its old to its new place, so that no edit
    alone could lose it or write it twice.
    """
    ends = [*_ends(old), (len(old), len(old))], [*_ends(new), (len(new), len(new))]
    start, new_start = 0, 0  # of the edit
    before, new_before = 0, 0  # of the gap
    missing: list[str] = []
    added: list[str] = []
    for (word, end), (new_word, new_end) in zip(*ends, strict=True):
        missing += _comments(old[before:word])
        added += _comments(new[new_before:new_word])
        before, new_before = end, new_end
        if missing != added:
            continue
        missing, added = [], []
        if old[start:end] != new[new_start:new_end]:
            yield _edit(path, old, start, end, new[new_start:new_end])
        start, new_start = end, new_end


def _ends(text: str) -> list[tuple[int, int]]:
    return [(token.start, token.end) for token in words(tokenize(text))]


def _comments(gap: str) -> list[str]:
    return [comment.rstrip() for comment in _COMMENT.findall(gap)]


def _edit(path: str, old: str, start: int, end: int, new: str) -> Edit:
    """The edit without what both texts begin and end with."""
    replaced = old[start:end]
    head = _common(replaced, new)
    tail = min(_common(replaced[::-1], new[::-1]), len(replaced) - head, len(new) - head)
    return Edit(Span(path, start + head, end - tail), new[head : len(new) - tail])


def _common(one: str, other: str) -> int:
    """How many characters both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))
