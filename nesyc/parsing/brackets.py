"""Which bracket belongs to which, also where some are missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.parsing.lexer import Token

PAIRS = {"LBRACE": "RBRACE", "LPAR": "RPAR", "LSQB": "RSQB"}
CLOSERS = {closer: opener for opener, closer in PAIRS.items()}
LIMIT = 200
"""Of so many unclosed brackets it is worked out where they should have been closed."""
SIGNS = {"LBRACE": "{", "LPAR": "(", "LSQB": "[", "RBRACE": "}", "RPAR": ")", "RSQB": "]"}


@dataclass(frozen=True, slots=True)
class Brackets:
    """`closed` maps each opener to its closer (as places in the list of tokens); `unclosed` maps an
    opener without one to the place before which it should have been closed; `stray` are closers of nothing.
    """

    closed: dict[int, int]
    unclosed: dict[int, int]
    stray: tuple[int, ...]


def match_brackets(text: str, tokens: Sequence[Token], begins: frozenset[int]) -> Brackets:
    """Pair the brackets of `tokens`.

    Where they do not come out even, new lines and indentation, which mean nothing to the grammar, tell
    what was meant: a `}` that begins a line does not close a block opened further right than it stands,
    and no block goes on over a declaration at the left margin (`begins`: the places of those).
    """
    plain = _pair(text, tokens, frozenset(), trust_layout=False)
    if not plain.unclosed and not plain.stray:
        return plain
    found = _pair(text, tokens, begins, trust_layout=True)
    for opener in list(found.unclosed)[:LIMIT]:
        found.unclosed[opener] = _wanted(text, tokens, opener, found.unclosed[opener])
    return found


def pair_by_layout(text: str, tokens: Sequence[Token], begins: frozenset[int]) -> Brackets:
    """The brackets as they are paired where something is wrong elsewhere in the file."""
    return _pair(text, tokens, begins, trust_layout=True)


def _wanted(text: str, tokens: Sequence[Token], opener: int, before: int) -> int:
    """Where by its layout a bracket was to be closed: before the first line that is not indented more."""
    margin = indent_of(text, tokens[opener])
    for place in range(opener + 1, before):
        if begins_line(text, tokens[place]) and indent_of(text, tokens[place]) <= margin:
            return place
    return before


def _pair(text: str, tokens: Sequence[Token], begins: frozenset[int], *, trust_layout: bool) -> Brackets:
    closed: dict[int, int] = {}
    unclosed: dict[int, int] = {}
    stray: list[int] = []
    open_: list[int] = []
    for place, token in enumerate(tokens):
        if place in begins:
            for opener in open_:
                unclosed[opener] = place
            open_.clear()
        if token.kind in PAIRS:
            open_.append(place)
        elif token.kind in CLOSERS:
            _close(text, tokens, place, open_, closed, unclosed, stray, trust_layout)
    for opener in open_:
        unclosed[opener] = len(tokens)
    return Brackets(closed, unclosed, tuple(stray))


def _close(
    text: str,
    tokens: Sequence[Token],
    place: int,
    open_: list[int],
    closed: dict[int, int],
    unclosed: dict[int, int],
    stray: list[int],
    trust_layout: bool,
) -> None:
    wanted = CLOSERS[tokens[place].kind]
    if wanted != "LBRACE":
        if open_ and tokens[open_[-1]].kind == wanted:
            closed[open_.pop()] = place
        else:
            stray.append(place)
        return
    # A `}` ends what is still open within its block.
    while open_ and tokens[open_[-1]].kind != "LBRACE":
        unclosed[open_.pop()] = place
    if trust_layout:
        margin = indent_of(text, tokens[place]) if begins_line(text, tokens[place]) else None
        while margin is not None and len(open_) > 1 and indent_of(text, tokens[open_[-1]]) > margin:
            unclosed[open_.pop()] = place
            while open_ and tokens[open_[-1]].kind != "LBRACE":
                unclosed[open_.pop()] = place
    if open_:
        closed[open_.pop()] = place
    else:
        stray.append(place)


def begins_line(text: str, token: Token) -> bool:
    """Whether only blanks stand before the token on its line (looking back no further than 400 places)."""
    before = text[max(0, token.start - 400) : token.start]
    line = before.rpartition("\n")[2]
    return not line.strip() and ("\n" in before or token.start <= 400)


def indent_of(text: str, token: Token) -> int:
    """How far the token's line is indented (looking back no further than 4,000 places)."""
    start = text.rfind("\n", max(0, token.start - 4000), token.start) + 1
    line = text[start : token.end]
    return len(line) - len(line.lstrip(" \t"))


def bracket_problems(file: str, tokens: Sequence[Token], brackets: Brackets) -> Iterator[Diagnostic]:
    """E0102 for what is never closed, E0101 for what closes nothing."""
    for opener, before in brackets.unclosed.items():
        yield _unclosed(file, tokens, opener, before)
    for place in brackets.stray:
        token = tokens[place]
        span = Span(file, token.start, token.end)
        help = Help(f"remove the `{token.text}`", (Edit(span, ""),))
        yield Diagnostic("E0101", f"unexpected `{token.text}`", span, "closes nothing", help=help)


def _unclosed(file: str, tokens: Sequence[Token], opener: int, before: int) -> Diagnostic:
    token = tokens[opener]
    end = tokens[before - 1].end  # after the last token that the block can hold
    closer = SIGNS[PAIRS[token.kind]]
    place = Span(file, end, end)
    return Diagnostic(
        "E0102",
        f"this `{token.text}` is never closed",
        Span(file, token.start, token.end),
        "opened here",
        (Related(place, f"`{closer}` is missing, by the layout after this"),) if before - 1 > opener else (),
        help=Help(f"write `{closer}` where it ends", (Edit(place, closer),)),
    )
