"""Where the cursor stands: in which declaration, item, brackets and argument."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from nesyc.parsing.brackets import CLOSERS, PAIRS, Brackets
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.split import BLOCKS, DECLARATIONS, Block, split_items
from nesyc.parsing.split import KB as KB_BLOCK

_HEAD = re.compile(
    r"^(?:" + "|".join(sorted(word.lower() for word in DECLARATIONS - {"NESY", "FRAGMENT"})) + r")\b",
    re.MULTILINE,
)
_ITEM = re.compile(
    r"^[ \t]*(?:rule|forbid|facts|relation|derived|say|stage|expect|given|metric|parse)\b", re.MULTILINE
)
_WORD = re.compile(r"[A-Za-z0-9_]*\Z")
LONG = 20_000
"""Beyond so many characters of one declaration, only its head and its last item are looked at."""


@dataclass(frozen=True, slots=True)
class Frame:
    """An open bracket: its place in the tokens, what stands before it, and which of its arguments is meant.

    `name` is the argument's where it is given by name; `given` are the names given before.
    """

    opener: int
    head: str
    argument: int
    name: str | None
    given: tuple[str, ...]
    begin: int


@dataclass(frozen=True, slots=True)
class Context:
    """`tokens` are those of the declaration up to the word being typed, `item` where in them its item begins.

    `inside` is the string literal that the cursor stands in. `block` is None in the head of a declaration.
    """

    tokens: Sequence[Token]
    frames: tuple[Frame, ...]
    block: Block | None
    item: int
    word: str
    start: int
    inside: Token | None
    kind: str
    fragment: bool = False

    @property
    def before(self) -> Token | None:
        """The token before the word being typed."""
        return self.tokens[-1] if self.tokens else None

    @property
    def item_tokens(self) -> Sequence[Token]:
        return self.tokens[self.item :]

    @property
    def inner(self) -> tuple[Frame, ...]:
        """The brackets opened within the item."""
        return tuple(frame for frame in self.frames if frame.opener >= self.item)

    def word_at(self, place: int) -> str:
        """The text of a token of the declaration, "" beyond its end."""
        return self.tokens[place].text if -len(self.tokens) <= place < len(self.tokens) else ""

    def settings_given(self) -> frozenset[str]:
        """The keys that the block has before the cursor."""
        depth, found = 0, set()
        for place, token in enumerate(self.tokens):
            depth += (token.kind in PAIRS) - (token.kind in CLOSERS)
            following = self.tokens[place + 1].kind if place + 1 < len(self.tokens) else ""
            if depth == (0 if self.fragment else 1) and following == "EQUAL":
                found.add(token.text)
        return frozenset(found)

    def path_before_dot(self) -> tuple[str, ...]:
        """`a.b.` before the cursor as its parts; empty where the dot begins a constant."""
        parts: list[str] = []
        place = len(self.tokens) - 1
        while place >= 1 and self.tokens[place].kind == "DOT" and _is_name(self.tokens[place - 1]):
            if place - 1 == self.item and self.tokens[place - 1].kind == "PROMPT":
                return ()
            parts.append(self.tokens[place - 1].text)
            place -= 2
        return tuple(reversed(parts))


def _is_name(token: Token) -> bool:
    return token.text[:1].isalpha() or token.text[:1] == "_"


def find_context(text: str, offset: int) -> Context | None:
    """The context at `offset`; None inside a comment."""
    word = _WORD.search(text, 0, offset)
    start = word.start() if word else offset
    margin = _fragment(text, offset)
    fragment = margin > 0
    tokens, inside, comment = _tokens(text, offset, margin)
    if comment:
        return None
    if inside is not None:
        start = inside.start
    tokens = [token for token in tokens if token.end <= start or (inside is None and token.start < start)]
    tokens = tokens if fragment else tokens[_declaration(tokens) :]
    open_, brackets = _open(tokens)
    kind = "KB" if fragment else tokens[0].kind if tokens and tokens[0].kind in DECLARATIONS else ""
    block = KB_BLOCK if fragment else None
    begin = 0
    if not fragment and open_ and kind in BLOCKS and tokens[open_[0]].kind == "LBRACE":
        block, begin = BLOCKS[kind], open_[0] + 1
    item = begin
    if block is not None:
        for first, last in split_items(text, tokens, begin, len(tokens), block, brackets):
            item = first if last == len(tokens) else len(tokens)
        if (
            tokens
            and item < len(tokens)
            and tokens[-1].kind == "SEMICOLON"
            and open_[-1:] in ([], [begin - 1])
        ):
            item = len(tokens)
    frames = tuple(_frame(tokens, place, open_) for place in open_)
    shown = "" if inside is not None else text[start:offset]
    return Context(tokens, frames, block, item, shown, start, inside, kind, fragment)


def _fragment(text: str, offset: int) -> int:
    """Where the items of a fragment begin; 0 for a file that is none, and in a fragment's head."""
    head = tokenize(text, 0, min(len(text), 4000))[:5]
    is_fragment = len(head) == 5 and head[0].kind == "NESY" and head[2].kind == "FRAGMENT"
    return head[4].end if is_fragment and head[4].end < offset else 0


def _tokens(text: str, offset: int, margin: int) -> tuple[list[Token], Token | None, bool]:
    """Tokens from the head of the declaration to the cursor, the string and whether a comment holds the cursor.

    In a fragment all items stand after `margin`.
    """
    begin = margin
    for match in _HEAD.finditer(text, 0, offset) if not margin else ():
        begin = match.start()
    tokens: list[Token] = []
    if offset - begin > LONG:
        items = [match.start() for match in _ITEM.finditer(text, max(begin, offset - LONG), offset)]
        brace = text.find("{", begin, offset)
        if items and (brace >= 0 or margin):
            tokens, begin = [] if margin else tokenize(text, begin, brace + 1), items[-1]
    line = text.find("\n", offset)
    end = len(text) if line < 0 else line
    tokens += tokenize(
        text, begin, max(end, min(len(text), offset + LONG)) if '"""' in text[begin:offset] else end
    )
    kept = tokens[: bisect_right(tokens, offset, key=lambda token: token.end)]
    rest = tokens[len(kept)] if len(kept) < len(tokens) else None
    if rest is not None and rest.start < offset < rest.end and rest.text.startswith('"'):
        return kept, rest, False
    if kept and kept[-1].kind in ("OPEN_STRING", "OPEN_BLOCK") and kept[-1].end == offset:
        return kept[:-1], kept[-1], False
    last = kept[-1].end if kept else begin
    return kept, None, "#" in text[last:offset].rpartition("\n")[2]


def _declaration(tokens: Sequence[Token]) -> int:
    """Where the declaration that holds the end of `tokens` begins."""
    depth = 0
    begin = 0
    for place, token in enumerate(tokens):
        if token.kind in PAIRS:
            depth += 1
        elif token.kind in CLOSERS:
            depth = max(depth - 1, 0)
        elif depth == 0 and token.kind in DECLARATIONS and _starts(tokens, place):
            begin = place
    if begin == 0 and tokens and tokens[0].kind == "NESY":
        return min(2, len(tokens))
    return begin


def _starts(tokens: Sequence[Token], place: int) -> bool:
    """Whether a keyword of a declaration begins one here: nothing before it asks for a name."""
    if place == 0:
        return True
    before = tokens[place - 1]
    return before.kind in ("RBRACE", "RPAR", "STRING", "NUMBER", "NAME") or before.kind in CLOSERS


def _open(tokens: Sequence[Token]) -> tuple[list[int], Brackets]:
    open_: list[int] = []
    closed: dict[int, int] = {}
    for place, token in enumerate(tokens):
        if token.kind in PAIRS:
            open_.append(place)
        elif token.kind in CLOSERS and open_ and tokens[open_[-1]].kind == CLOSERS[token.kind]:
            closed[open_.pop()] = place
    return open_, Brackets(closed, {opener: len(tokens) for opener in open_}, ())


def _frame(tokens: Sequence[Token], opener: int, open_: Sequence[int]) -> Frame:
    """The arguments of an open bracket up to the cursor, those inside closed or deeper brackets left out."""
    depth, argument, begin = 0, 0, opener + 1
    given: list[str] = []
    for place in range(opener + 1, len(tokens)):
        token = tokens[place]
        if token.kind in PAIRS:
            if place in open_:
                break
            depth += 1
        elif token.kind in CLOSERS:
            depth -= 1
        elif depth == 0 and token.kind == "COMMA":
            argument, begin = argument + 1, place + 1
        elif depth == 0 and token.kind == "EQUAL" and place == begin + 1:
            given.append(tokens[begin].text)
    named = begin + 1 < len(tokens) and tokens[begin + 1].kind == "EQUAL" and _is_name(tokens[begin])
    before = tokens[opener - 1] if opener else None
    head = before.text if before is not None and _is_name(before) else ""
    name = tokens[begin].text if named else None
    return Frame(opener, head, argument, name, tuple(given), begin)
