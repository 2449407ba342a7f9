"""Words as retrieval sees them, and the one normal form by which two inputs count as the same question."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

from nesyc_runtime.hashing import canonical_json

LONGEST_QUERY = 512  # words: what comes after says little new and costs time

_WORD = re.compile(r"[^\W_]+")

# English words that say nothing about what a text is about.
_STOP = """
a about after again all am an and any are as at be because been before being between both but by can could did do does
doing during each few for from further had has have having he her here hers him his how i if in into is it its itself
just may me more most my no nor not now of off on once only or other our out over own same she should so some such
than that the their them then there these they this those through to too under until up very was we were what when
where which while who whom whose why will with would you your
"""
STOP_WORDS = frozenset(_STOP.split())


def words(text: str) -> list[str]:
    """The words of a text in order: runs of letters and digits, in one case, without accents.

    >>> words("How many Zörps: 3.5?")
    ['how', 'many', 'zorps', '3', '5']
    """
    if not text.isascii():
        text = "".join(
            sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign)
        )
    return _WORD.findall(text.casefold())


def mentions(text: str, phrase: str) -> bool:
    """Whether the words of `phrase`, one or more, stand in `text` side by side and in order.

    >>> mentions("Is it so in The Matrix?", "the matrix"), mentions("A goal", "go")
    (True, False)
    """
    wanted = _spaced(phrase)
    return bool(wanted.strip()) and wanted in _spaced(text)


@lru_cache(maxsize=4096)  # one question meets many phrases, one phrase many questions
def _spaced(text: str) -> str:
    return f" {' '.join(words(text))} "


def query_words(text: str) -> list[str]:
    """The distinct words a question is searched by, in order: stop words only where it has no other."""
    return telling_words(dict.fromkeys(words(text)))


def telling_words(found: Iterable[str]) -> list[str]:
    """Of distinct words those that are no stop words, all where there are only those; at most `LONGEST_QUERY` are looked at."""
    first = list(islice(found, LONGEST_QUERY))
    return [word for word in first if word not in STOP_WORDS] or first


def word_forms(text: str) -> dict[str, tuple[str, ...]]:
    """The distinct words of a text in order, each with the forms in which SQLite's index may hold it.

    FTS5 knows no full case folding: it holds "Straße" as "straße", where `words` has "strasse".
    """
    forms = {word: [word] for word in words(text)}
    if not text.isascii():
        for form in dict.fromkeys(_WORD.findall(text.lower())):
            plain = words(form)
            if len(plain) == 1 and form != plain[0] and plain[0] in forms:
                forms[plain[0]].append(form)
    return {word: tuple(found) for word, found in forms.items()}


def normal_text(text: str) -> str:
    """A text in one case, with single spaces between its words and none around it."""
    return " ".join(text.casefold().split())


def input_key(inputs: Mapping[str, Any]) -> str:
    """What makes two items the same question: their inputs, with texts compared as `normal_text` gives them.

    KB entries keep the keys of the items they were drawn from; by it retrieval holds an item's own entries out.
    """
    return canonical_json(
        {name: normal_text(value) if isinstance(value, str) else value for name, value in inputs.items()}
    )
