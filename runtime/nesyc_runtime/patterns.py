"""Regular expressions that come from a spec, run so that no pattern and no text can hang the program."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import regex

LONGEST = 20_000  # characters looked at; more is no answer
SECONDS = 1.0  # for all matches of one pattern in one text


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> Any:
    return regex.compile(pattern)


def find_all(pattern: str, text: str) -> list[Any]:
    """The matches of `pattern` in the last LONGEST characters of `text`.

    Empty where the pattern is invalid or takes longer than SECONDS. Positions count from the start of the piece
    that was searched: use `match.string`.
    """
    try:
        return list(_compiled(pattern).finditer(text[-LONGEST:], timeout=SECONDS))
    except (regex.error, TimeoutError):
        return []


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` matches somewhere in `text`."""
    try:
        return _compiled(pattern).search(text[-LONGEST:], timeout=SECONDS) is not None
    except (regex.error, TimeoutError):
        return False
