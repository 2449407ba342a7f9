"""Text to tokens, in one pass over one regular expression made from the grammar's terminals."""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from nesyc.parsing.tables import load_tables

END = "$END"
# An unclosed block, up to a brace at the left margin, so that it does not hide the rest of the file.
OPEN_BLOCK = r'"""(?:(?!\n\})[\s\S])*'
# What no terminal matches. These stand last, so they are tried only where the grammar's own fail.
STRAY = {
    "OPEN_STRING": r'"[^\n]*',
    "STRAY_STRING": r"'(?:[^'\\\n]|\\[^\n])*'",
    "STRAY": r"[^\x00-\x7f]+|&&|\|\||[\s\S]",
}


class Token(NamedTuple):
    """A terminal's name, its text, and its half-open range of code points in the file."""

    kind: str
    text: str
    start: int
    end: int


def tokenize(text: str, start: int = 0, end: int | None = None) -> list[Token]:
    """The tokens of `text[start:end]`, blanks and comments left out; offsets count from 0 of `text`.

    Never fails: what belongs to no token of the language comes as a kind of `STRAY`.
    """
    tables = load_tables()
    words, ignored = tables.words, tables.ignored
    tokens: list[Token] = []
    for match in _scanner().finditer(text, start, len(text) if end is None else end):
        kind = match.lastgroup or "STRAY"
        if kind in ignored:
            continue
        found = match[0]
        if kind in ("NAME", "SIGN"):
            kind = words.get(found, kind)
        tokens.append(Token(kind, found, match.start(), match.end()))
    return tokens


@cache
def _scanner() -> re.Pattern[str]:
    tables = load_tables()
    signs = sorted(
        (word for word in tables.words if not word[0].isalpha() and word != "_"), key=len, reverse=True
    )
    # The order decides: a block before a string, `:-` before `:`, `->` before `-`.
    groups = {}
    for name, pattern in tables.patterns.items():
        groups[name] = pattern
        if name == "BLOCK":
            groups["OPEN_BLOCK"] = OPEN_BLOCK  # before `""` is taken for an empty string
    order = groups.pop("ORDER")
    groups["SIGN"] = "|".join(map(re.escape, signs))
    groups["ORDER"] = order
    return re.compile("|".join(f"(?P<{name}>{pattern})" for name, pattern in {**groups, **STRAY}.items()))
