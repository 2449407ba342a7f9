"""Cuts tokens into declarations, and a block into its items, without parsing them.

Used where a parse failed, so it only has to be right about what people write: it looks at keywords,
brackets and what can stand before and after an item. Tokens are never copied or changed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nesyc.parsing.brackets import Brackets, begins_line, indent_of
from nesyc.parsing.lexer import Token

DECLARATIONS = frozenset(
    "PARAM ENUM TEACHER STUDENT EMBEDDER DATASET TASK KB RETRIEVE METHOD PIPELINE ANSWER EVALUATE TEST"
    " INCLUDE ALLOW NESY FRAGMENT".split()
)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between the braces of a declaration: the start symbol and the keywords of its items."""

    start: str
    keywords: frozenset[str]
    settings: bool = True
    """Whether `key = value` is an item too."""


_FILE = Block("declaration", DECLARATIONS, settings=False)
_SETTINGS = Block("setting_part", frozenset())
_STAGES = Block("stage_part", frozenset({"STAGE"}), settings=False)
KB = Block(
    "kb_part", frozenset({"RELATION", "DERIVED", "FACTS", "RULE", "FORBID", "SAY", "INCLUDE", "ALLOW"})
)
BLOCKS = {
    **dict.fromkeys(("TEACHER", "STUDENT", "EMBEDDER", "RETRIEVE", "ANSWER"), _SETTINGS),
    **dict.fromkeys(("METHOD", "PIPELINE"), _STAGES),
    "DATASET": Block("dataset_part", frozenset({"ROW", "SPLIT"})),
    "TASK": Block("task_part", frozenset({"INPUT", "OUTPUT", "PROMPT", "PARSE", "CLAIM", "METRIC"})),
    "KB": KB,
    "EVALUATE": Block("evaluate_part", frozenset({"REPORT", "COMPARE", "REQUIRE"})),
    "TEST": Block("test_part", frozenset({"GIVEN", "EXPECT"}), settings=False),
}
# Items that end with `;`: what looks like a setting inside is a comparison.
SENTENCES = frozenset({"RULE", "FORBID", "EXPECT", "GIVEN"})
# After these something has to follow, so no item begins there.
_OPEN_ENDED = frozenset(
    "EQUAL SAME DIFFERENT ORDER PLUS MINUS STAR SLASH PERCENT DOT COLON IMPLIES RANGE ARROW LPAR LSQB AND OR"
    " NOT AT FOR FROM OF ON WITH AS BY".split()
)


def is_word(token: Token) -> bool:
    return token.text[:1].isalpha() or token.text[:1] == "_"


def declaration_margins(text: str, tokens: Sequence[Token]) -> frozenset[int]:
    """The places where a declaration begins at the left margin."""
    return frozenset(
        place
        for place, token in enumerate(tokens)
        if token.kind in DECLARATIONS - {"INCLUDE", "ALLOW"}
        and (token.start == 0 or text[token.start - 1] == "\n")
        and _opens_declaration(tokens, place)
    )


def split_declarations(text: str, tokens: Sequence[Token], brackets: Brackets) -> Iterator[tuple[int, int]]:
    """The ranges of `tokens` that are one declaration each; together they are all tokens."""
    begin = 0
    for place in _outermost(tokens, 0, len(tokens), brackets):
        if place > begin and _begins(text, tokens, place, begin, _FILE, declaration=True):
            yield begin, place
            begin = place
    if begin < len(tokens):
        yield begin, len(tokens)


def split_items(
    text: str, tokens: Sequence[Token], begin: int, end: int, block: Block, brackets: Brackets
) -> Iterator[tuple[int, int]]:
    """The ranges of `tokens[begin:end]`, the inside of a block, that are one item each."""
    start, annotated = begin, False
    for place in _outermost(tokens, begin, end, brackets):
        token = tokens[place]
        if place == start:
            annotated = token.text == "@"
            continue
        after_end = tokens[place - 1].kind == "SEMICOLON" and token.kind != "SEMICOLON"
        if annotated and token.kind in SENTENCES | {"FACTS"}:
            annotated = False  # the item that the annotations stand before
        elif (
            after_end
            or (token.text == "@" and not annotated)
            or (not annotated and _begins(text, tokens, place, start, block, declaration=False))
        ):
            yield start, place
            start, annotated = place, token.text == "@"
    if start < end:
        yield start, end


def body_of(tokens: Sequence[Token], begin: int, end: int, brackets: Brackets) -> tuple[int, int] | None:
    """The inside of a declaration's braces; None where it has none."""
    for place in range(begin, end):
        if tokens[place].kind == "LBRACE":
            return place + 1, min(brackets.closed.get(place, end), end)
        if tokens[place].kind == "EQUAL":
            return None
    return None


def _outermost(tokens: Sequence[Token], begin: int, end: int, brackets: Brackets) -> Iterator[int]:
    """The places of `tokens[begin:end]` that stand in no closed bracket opened there."""
    place = begin
    while place < end:
        yield place
        place = brackets.closed.get(place, place) + 1


def _begins(
    text: str, tokens: Sequence[Token], place: int, start: int, block: Block, *, declaration: bool
) -> bool:
    """Whether an item, after the one that began at `start`, begins at `place`."""
    token, previous = tokens[place], tokens[place - 1]
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    if not is_word(token) or place == start + 1:
        return False
    if following is None:  # a keyword and nothing after it
        return token.kind in block.keywords and previous.kind not in _OPEN_ENDED
    keywords = block.keywords
    sentence = tokens[start].kind in SENTENCES
    if previous.kind in _OPEN_ENDED or (previous.kind == "COMMA" and (sentence or declaration)):
        # A keyword at the head of a line begins an item even where the one before is cut short.
        return token.kind in keywords and is_word(following) and begins_line(text, token)
    if declaration and token.kind in keywords:
        if token.kind in ("INCLUDE", "ALLOW") and indent_of(text, token):
            return False  # of a KB whose block is not closed
        return is_word(following) or following.kind == ("LPAR" if token.kind == "ALLOW" else "STRING")
    if token.kind in keywords and (
        is_word(following) or following.kind in ("STRING", "BLOCK", "LPAR", "DOT")
    ):
        return True
    settings = block.settings and not sentence
    if settings and following.kind == "EQUAL":
        return token.kind not in ("WITH", "GROUP") or begins_line(text, token)
    if settings and following.kind in ("COLON", "SAME"):
        return begins_line(text, token)  # a setting with the wrong sign
    # Two words in a row, where no keyword is known: a misspelt one.
    return token.kind == "NAME" and is_word(following) and begins_line(text, token)


def _opens_declaration(tokens: Sequence[Token], place: int) -> bool:
    following = tokens[place + 1] if place + 1 < len(tokens) else None
    return following is not None and (is_word(following) or following.kind in ("STRING", "NUMBER"))
