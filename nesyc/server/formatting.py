"""Formatting, as the edits that make the difference."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types

from nesyc.diagnostics import Edit
from nesyc.format import format_edits, format_range
from nesyc.server.view import View


def formatting(view: View) -> list[types.TextEdit]:
    """The whole file; nothing for one that does not parse."""
    return _text_edits(view, format_edits(view.file, view.text))


def range_formatting(view: View, range_: types.Range) -> list[types.TextEdit]:
    """What formatting changes in a part of the file."""
    first, last = view.offset(range_.start), view.offset(range_.end)
    return _text_edits(view, format_range(view.file, view.text, first, last))


def _text_edits(view: View, edits: Iterable[Edit]) -> list[types.TextEdit]:
    return [types.TextEdit(view.range(edit.span.start, edit.span.end), edit.text) for edit in edits]
