"""What a formatter works on: productions with all their tokens, and the gaps between tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from nesyc.parsing.lexer import Token


class Comment(NamedTuple):
    """`text` begins with `#`; `own`: on a line of its own; `blank`: after an empty line."""

    text: str
    own: bool
    blank: bool


@dataclass(slots=True)
class Gap:
    """What stands before a token: comments, whether a line ends, and whether an empty line is the last of it."""

    comments: list[Comment] = field(default_factory=list)
    newline: bool = False
    blank: bool = False


@dataclass(slots=True, eq=False)
class Node:
    """A production with all its tokens; `flat` is its text on one line, None where it needs several."""

    kind: str
    children: list[Child]
    start: int
    flat: str | None


Child: TypeAlias = Node | Token
Gaps: TypeAlias = Mapping[int, Gap]
"""Gaps by the offset of the token after them, where they are more than blanks."""


def sign(child: Child) -> str:
    """A token's text; "" for a node, whatever is in it."""
    return child.text if isinstance(child, Token) else ""


def flat(child: Child) -> str | None:
    """A token's text or a node's one line; None where that takes several."""
    if isinstance(child, Token):
        return None if child.kind == "BLOCK" and "\n" in child.text else child.text
    return child.flat
