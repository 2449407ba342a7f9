"""Formatting as edits of an editor's text."""

from __future__ import annotations

from nesyc.format import format_edits, format_range, format_text
from tests.format.same import applied

TEXT = """nesy 1

teacher t {
  a  = 1
  bb   = 2
}

teacher u { c = f( x ) }
"""


def test_edits_touch_only_what_differs() -> None:
    edits = format_edits("a.nesy", TEXT)
    assert [(TEXT[edit.span.start : edit.span.end], edit.text) for edit in edits] == [
        ("  ", ""),
        (" ", ""),
        (" ", ""),
    ]
    assert applied(TEXT, edits) == format_text("a.nesy", TEXT).text


def test_a_formatted_text_needs_no_edit() -> None:
    assert format_edits("a.nesy", applied(TEXT, format_edits("a.nesy", TEXT))) == ()


def test_a_text_that_does_not_parse_needs_none_either() -> None:
    assert format_edits("a.nesy", "kb {") == ()


def test_only_the_edits_of_a_range() -> None:
    start = TEXT.index("teacher u")
    assert applied(TEXT, format_range("a.nesy", TEXT, start, len(TEXT))) == TEXT.replace("f( x )", "f(x)")
    assert format_range("a.nesy", TEXT, 0, 6) == ()


def test_a_comment_that_moves_is_one_edit() -> None:
    text = "nesy 1\n\nparam a: int = # why\n  1\n"
    (edit,) = format_edits("a.nesy", text)
    assert applied(text, (edit,)) == "nesy 1\n\n# why\nparam a: int = 1\n"
