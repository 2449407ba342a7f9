"""What formatting must keep."""

from __future__ import annotations

import re

from nesyc.diagnostics import Edit
from nesyc.format import format_edits, format_text
from nesyc.parsing import parse_file
from nesyc.parsing.lexer import tokenize
from tests.parsing.trees import without_spans


def comments(text: str) -> list[str]:
    """All comments in order."""
    found: list[str] = []
    end = 0
    for token in tokenize(text):
        found += re.findall(r"#[^\n]*", text[end : token.start])
        end = token.end
    return [comment.rstrip() for comment in found + re.findall(r"#[^\n]*", text[end:])]


def applied(text: str, edits: tuple[Edit, ...]) -> str:
    """The text with the edits made, last one first."""
    for edit in sorted(edits, key=lambda edit: edit.span.start, reverse=True):
        text = text[: edit.span.start] + edit.text + text[edit.span.end :]
    return text


def assert_kept(text: str) -> bool:
    """Format the text and hold every promise to it; False where it does not parse."""
    formatted = format_text("a.nesy", text)
    if formatted.text is None:
        assert formatted.diagnostics and not format_edits("a.nesy", text)
        return False
    assert without_spans(parse_file("a.nesy", formatted.text).file) == without_spans(
        parse_file("a.nesy", text).file
    )
    assert comments(formatted.text) == comments(text)
    assert format_text("a.nesy", formatted.text).text == formatted.text
    assert applied(text, format_edits("a.nesy", text)) == formatted.text
    assert not formatted.text.startswith("\n") and not formatted.text.endswith("\n\n")
    return True
