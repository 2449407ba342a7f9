"""Text of unknown origin made fit for a terminal: nothing in it moves the cursor or turns it around."""

from __future__ import annotations

import unicodedata

TAB = "    "


def shown(text: str) -> str:
    """`text` with tabs as blanks and everything invisible or active as an escape like `\\x1b`."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(shown_character(character) for character in text)


def shown_character(character: str) -> str:
    if character == "\t":
        return TAB
    if character.isprintable():  # no control, format (bidi among them), surrogate or odd blank
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """How many terminal cells `text` (as `shown` gives it) takes."""
    if text.isascii():
        return len(text)
    return sum(_cells(character) for character in text)


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def valid(text: str) -> str:
    """Text for JSON: half surrogates cannot be written as UTF-8; everything else JSON escapes itself."""
    return "".join(shown(c) if "\ud800" <= c <= "\udfff" else c for c in text)
