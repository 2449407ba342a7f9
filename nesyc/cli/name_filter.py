"""`-k EXPR`: which names are meant, in the words of pytest: `chain and not (slow or "two fathers")`."""

from __future__ import annotations

import re
from collections.abc import Callable

Wanted = Callable[[str], bool]

_TOKEN = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<quoted>[^"]*)"|(?P<word>[^\s()"]+))""")
DEEPEST = 100  # brackets within brackets


def name_filter(expression: str) -> Wanted:
    """Whether a name fits: it holds each word, as a part and in any case, joined by `and`, `or`, `not`.

    Raises `ValueError`, saying what is wrong, for what is no such expression.
    """
    parser = _Parser(_tokens(expression))
    wanted = parser.either(0)
    if parser.peek() is not None:
        raise ValueError(f"`{parser.peek()}` is not expected there")
    return wanted


def _tokens(expression: str) -> list[tuple[str, bool]]:
    """(text, is it quoted) of each token."""
    tokens: list[tuple[str, bool]] = []
    at = 0
    while expression[at:].strip():
        match = _TOKEN.match(expression, at)
        if match is None:
            raise ValueError("a quote is not closed")
        quoted = match["quoted"]
        tokens.append((quoted, True) if quoted is not None else (match["sign"] or match["word"], False))
        at = match.end()
    return tokens


class _Parser:
    def __init__(self, tokens: list[tuple[str, bool]]) -> None:
        self._tokens, self._at = tokens, 0

    def peek(self) -> str | None:
        """The next word of the expression's own, `""` before a quoted one, None at the end."""
        if self._at >= len(self._tokens):
            return None
        text, quoted = self._tokens[self._at]
        return "" if quoted else text

    def either(self, depth: int) -> Wanted:
        wanted = self._both(depth)
        while self._takes("or"):
            wanted = _or(wanted, self._both(depth))
        return wanted

    def _both(self, depth: int) -> Wanted:
        wanted = self._one(depth)
        while self._takes("and"):
            wanted = _and(wanted, self._one(depth))
        return wanted

    def _one(self, depth: int) -> Wanted:
        if depth > DEEPEST:
            raise ValueError("too many brackets")
        if self._takes("not"):
            return _not(self._one(depth + 1))
        if self._takes("("):
            wanted = self.either(depth + 1)
            if not self._takes(")"):
                raise ValueError("a bracket is not closed")
            return wanted
        if self.peek() in (None, "and", "or", ")"):
            raise ValueError("a word is missing")
        text, _ = self._tokens[self._at]
        self._at += 1
        part = text.casefold()
        return lambda name: part in name.casefold()

    def _takes(self, word: str) -> bool:
        if self.peek() == word:
            self._at += 1
            return True
        return False


def _or(left: Wanted, right: Wanted) -> Wanted:
    return lambda name: left(name) or right(name)


def _and(left: Wanted, right: Wanted) -> Wanted:
    return lambda name: left(name) and right(name)


def _not(wanted: Wanted) -> Wanted:
    return lambda name: not wanted(name)
