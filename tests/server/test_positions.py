"""Offsets and positions: UTF-8, UTF-16 and UTF-32, every line end, characters beyond U+FFFF."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lsprotocol import types

from nesyc.server.documents import Documents
from nesyc.server.positions import Encoding, Lines

TEXT = st.text(alphabet="ab\n\r\t é😀\u2028\x0c𝔸", max_size=40)
ENCODINGS: tuple[Encoding, ...] = ("utf-8", "utf-16", "utf-32")


@pytest.mark.parametrize(("encoding", "expected"), [("utf-8", 7), ("utf-16", 4), ("utf-32", 3)])
def test_one_character_counts_by_its_units(encoding: Encoding, expected: int) -> None:
    lines = Lines("x\n😀é=1", encoding)
    assert lines.position(5) == (1, expected)
    assert lines.offset(1, expected) == 5


def test_a_position_inside_a_character_is_moved_before_it() -> None:
    assert Lines("a😀b", "utf-16").offset(0, 2) == 1
    assert Lines("a😀b", "utf-8").offset(0, 4) == 1


def test_lines_end_as_the_protocol_says() -> None:
    lines = Lines("a\r\nb\rc\nd\u2028e\x0cf", "utf-16")
    assert len(lines) == 4
    assert [lines.offset(line, 99) for line in range(5)] == [1, 4, 6, 12, 12]
    assert lines.position(9) == (3, 2)


@pytest.mark.parametrize("encoding", ENCODINGS)
@given(text=TEXT, data=st.data())
def test_there_and_back(encoding: Encoding, text: str, data: st.DataObject) -> None:
    lines = Lines(text, encoding)
    offset = data.draw(st.integers(0, len(text)))
    inside_line_end = text[max(offset - 1, 0) : offset + 1] == "\r\n"
    line, character = lines.position(offset)
    if not inside_line_end:
        assert lines.offset(line, character) == offset
    size = {"utf-8": len(text[:offset].encode()), "utf-16": len(text[:offset].encode("utf-16-le")) // 2}
    if "\n" not in text and "\r" not in text:
        assert character == size.get(encoding, offset)


@given(text=TEXT, data=st.data())
def test_changes_of_a_document_are_what_the_editor_did(text: str, data: st.DataObject) -> None:
    documents = Documents()
    documents.open("file:///a.nesy", 1, text)
    for version in range(2, 5):
        boundaries = [
            place for place in range(len(text) + 1) if text[max(place - 1, 0) : place + 1] != "\r\n"
        ]
        first, last = sorted(data.draw(st.tuples(st.sampled_from(boundaries), st.sampled_from(boundaries))))
        new = data.draw(TEXT)
        lines = Lines(text, "utf-16")
        place = types.Range(types.Position(*lines.position(first)), types.Position(*lines.position(last)))
        documents.change("file:///a.nesy", version, [types.TextDocumentContentChangePartial(place, new)])
        text = text[:first] + new + text[last:]
        (document,) = documents.snapshot().values()
        assert (document.text, document.version) == (text, version)


def test_a_document_without_a_file_and_an_unknown_one() -> None:
    documents = Documents()
    documents.open("untitled:Untitled-1", 1, "nesy 1\n")
    documents.change("file:///not/open.nesy", 2, [types.TextDocumentContentChangeWholeDocument("x")])
    documents.change("untitled:Untitled-1", 2, [types.TextDocumentContentChangeWholeDocument("nesy 2\n")])
    assert [one.text for one in documents.snapshot().values()] == ["nesy 2\n"]
    documents.close("untitled:Untitled-1")
    assert not documents.snapshot()
