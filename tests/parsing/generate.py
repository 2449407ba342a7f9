"""Programs made from the grammar: Lark's own productions, walked by hypothesis.

`programs()` draws any text of the language, however little sense it makes; `dressed()` puts blanks, line
ends and comments between the tokens, as people never would.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from nesyc.parsing.tables import STARTS, grammar_path

NAMES = ["a", "b", "kin", "first_of", "_x", "X1", "e5", "count", "n"]
NUMBERS = ["0", "1", "1", "25.00", "2e-4", "384", "1.5E+3", "007"]
STRINGS = [
    '""',
    '"a"',
    '"{b} is the {rel} of {a}."',
    '"# no comment"',
    '"\\"quoted\\" \\\\ \\n"',
    '"(["',
    '"x y"',
    '"é"',
]
BLOCKS = [
    '""""""',
    '"""one line"""',
    '"""\n    Story: {story}\n      # kept\n\n    """',
    '"""a\\\n  b "" c"""',
    '"""\n\n"""',
]
BLANKS = [
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n",
    "\n\n",
    "\n\n\n",
    "\t",
    "\r\n",
    " # why\n",
    "\n# own\n",
    "\n\n# a\n\n\n  #b\n",
    "#\n",
]


class _Grammar:
    """The compiled productions, and for each the least number of tokens it can become."""

    def __init__(self) -> None:
        from lark import Lark

        parser = Lark(grammar_path().read_text(encoding="utf-8"), parser="lalr", start=list(STARTS))
        self.fixed = {
            terminal.name: terminal.pattern.value
            for terminal in parser.terminals
            if type(terminal.pattern).__name__ == "PatternStr"
        }
        self.choices: dict[str, list[list[Any]]] = {}
        for made in parser.rules:
            self.choices.setdefault(made.origin.name, []).append(list(made.expansion))
        self.least: dict[str, int] = {}
        changed = True
        while changed:
            changed = False
            for name, choices in self.choices.items():
                best = min(map(self.size, choices))
                if best < self.least.get(name, 10**6):
                    self.least[name], changed = best, True

    def size(self, symbols: list[Any]) -> int:
        return sum(1 if symbol.is_term else self.least.get(symbol.name, 10**6) for symbol in symbols)


@cache
def _grammar() -> _Grammar:
    return _Grammar()


@st.composite
def programs(draw: DrawFn, start: str = "file", size: int = 120) -> list[str]:
    """The tokens of a text that `start` derives, about `size` of them at most."""
    grammar = _grammar()
    tokens: list[str] = []
    waiting: list[Any] = [start]
    owed = grammar.least[start]
    while waiting:
        symbol = waiting.pop()
        name = symbol if isinstance(symbol, str) else symbol.name
        if name not in grammar.choices:
            tokens.append(draw(_terminal(name)))
            owed -= 1
            continue
        owed -= grammar.least[name]
        room = size - len(tokens) - owed
        choices = grammar.choices[name]
        fitting = [choice for choice in choices if grammar.size(choice) <= max(room, grammar.least[name])]
        chosen = draw(st.sampled_from(fitting))
        owed += grammar.size(chosen)
        waiting += reversed(chosen)
    if tokens[:1] == ["nesy"] and start == "file":
        tokens[1] = "1"  # of the editions that the grammar allows, the one there is
    return tokens


def _terminal(name: str) -> SearchStrategy[str]:
    pools = {
        "NAME": NAMES,
        "NUMBER": NUMBERS,
        "STRING": STRINGS,
        "BLOCK": BLOCKS,
        "ORDER": ["<", ">=", "<=", ">"],
    }
    return st.sampled_from(pools[name]) if name in pools else st.just(_grammar().fixed[name])


@st.composite
def dressed(draw: DrawFn, tokens: SearchStrategy[list[str]]) -> str:
    """Drawn tokens as a text, with anything between them that means nothing."""
    parts: list[str] = [draw(st.sampled_from(["", "", "\n", "# top\n", "\n\n"]))]
    for token in draw(tokens):
        parts += [token, draw(st.sampled_from(BLANKS))]
    return "".join(parts)


SCRAPS = ["{", "}", "(", ")", "[", "]", '"', '"""', "'", ";", ":", ":-", "=", "==", ",", ".", "..", "#", "//", "\n", "@",
          "\\", "\0", "\ud800", "é", "\u202e", "\r", "\ufeff", "rule ", "kb x {", "not ", "_", "1e9999", "-", " "]  # fmt: skip


def mutated(texts: Sequence[str]) -> SearchStrategy[str]:
    """One of the texts with up to eight pieces lost, doubled, moved or replaced by a scrap."""
    return st.builds(_mutate, st.randoms(use_true_random=False), st.sampled_from(texts), st.integers(1, 8))


def _mutate(chance: random.Random, text: str, changes: int) -> str:
    for _ in range(changes):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice([0, 0, 1, 1, 3, 30]))
        moved = chance.randrange(len(text) + 1)
        new = chance.choice([chance.choice(SCRAPS), "", text[moved : moved + chance.choice([1, 10, 80])]])
        text = text[:start] + new + text[end:]
    return text
