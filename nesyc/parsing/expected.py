"""Says where a parse stopped: what stands there, and what could stand there, in the language's words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nesyc.diagnostics import Diagnostic, Edit, Help, near_names
from nesyc.diagnostics.span import Span
from nesyc.parsing.lalr import DEPTH, Stuck, TooDeep, accepted
from nesyc.parsing.lexer import END, Token
from nesyc.parsing.slips import find_slip
from nesyc.parsing.split import BLOCKS, DECLARATIONS
from nesyc.parsing.tables import Tables, load_tables

FEW = 4
LITERAL = frozenset({"NAME", "NUMBER", "STRING", "BLOCK", "LSQB", "LPAR", "LBRACE", "DOT", "MINUS", "NOT",
                     "TRUE", "FALSE", "NULL", "UNDERSCORE"})  # fmt: skip
OPERATORS = frozenset(
    {"PLUS", "MINUS", "STAR", "SLASH", "PERCENT", "EQUAL", "SAME", "DIFFERENT", "ORDER", "AND", "OR", "DOT"}
)
RESERVED = frozenset({"AND", "OR", "NOT", "TRUE", "FALSE", "NULL", "UNDERSCORE"})
CLASSES = {
    "NAME": "a name",
    "NUMBER": "a number",
    "STRING": "a string",
    "BLOCK": "a string",
    "ORDER": "`<`",
    END: "",
}
PIECES = {
    "declaration": "declaration",
    "setting_part": "setting",
    "dataset_part": "item of a dataset",
    "task_part": "item of a task",
    "kb_part": "item of a kb",
    "evaluate_part": "item of an evaluate",
    "test_part": "item of a test",
    "stage_part": "stage",
}


def explain(error: Stuck | TooDeep, start: str, tokens: Sequence[Token], file: str, text: str) -> Diagnostic:
    """E0101 for tokens that do not parse as `start`."""
    if isinstance(error, TooDeep):
        span = Span(file, error.span.start, min(error.span.end, error.span.start + 1))
        message = f"this is nested more than {DEPTH} levels deep"
        return Diagnostic("E0101", message, span, "too deep", help=Help("name a part of it, or split it up"))
    place = error.index
    tables = load_tables()
    possible = accepted(tables, start, tokens[:place])
    slip = find_slip(tokens, place, possible, file, text) or _unknown_item(
        start, tokens, place, possible, file
    )
    if slip is not None:
        return slip
    if END in possible:
        possible.pop("COMMA", None)  # between items it may always stand and never has to
    expected = describe(possible, tables)
    if place == len(tokens):
        return _cut_short(expected, tokens, file, len(text))
    token = tokens[place]
    notes: tuple[str, ...] = ()
    if token.kind in RESERVED and "NAME" in possible:
        notes = (f"`{token.text}` is a reserved word and names nothing",)
    wanted = (
        f"expected {expected}, found {found_text(token)}" if expected else f"unexpected {found_text(token)}"
    )
    return Diagnostic("E0101", wanted, Span(file, token.start, token.end), "unexpected", notes=notes)


def _cut_short(expected: str, tokens: Sequence[Token], file: str, size: int) -> Diagnostic:
    if not tokens:
        return Diagnostic("E0101", f"expected {expected}, found nothing", Span(file, 0, size))
    last = tokens[-1]
    message = f"expected {expected} after {found_text(last)}"
    return Diagnostic("E0101", message, Span(file, last.end, last.end), "something is missing here")


def _unknown_item(
    start: str, tokens: Sequence[Token], place: int, possible: Mapping[str, int], file: str
) -> Diagnostic | None:
    """A piece that begins with a word which begins nothing there: probably a misspelt keyword."""
    if start not in PIECES or not tokens or place > 1 or tokens[0].kind in RESERVED:
        return None
    first = tokens[0]
    if place == 1 and (set(possible) != {"EQUAL"} or (len(tokens) > 1 and not _could_follow(tokens[1]))):
        return None
    if place == 1 and len(tokens) == 1:
        return None
    keywords = sorted(word.lower() for word in _keywords(start))
    span = Span(file, first.start, first.end)
    near = near_names(first.text, keywords)
    if near:
        quoted = " or ".join(f"`{word}`" for word in near)
        help = Help(f"did you mean {quoted}?", (Edit(span, near[0]),))
    elif start == "setting_part":
        help = Help("a setting is written `key = value`")
    else:
        help = Help("expected " + ", ".join(f"`{word}`" for word in keywords))
    return Diagnostic(
        "E0101", f"{found_text(first)} begins no {PIECES[start]}", span, "unexpected", help=help
    )


def _could_follow(token: Token) -> bool:
    return token.kind not in ("COLON", "SAME", "EQUAL") and (
        token.text[0].isalnum() or token.text[0] in '_("{.'
    )


def _keywords(start: str) -> frozenset[str]:
    if start == "declaration":
        return DECLARATIONS - {"NESY", "FRAGMENT"}
    return next((block.keywords for block in BLOCKS.values() if block.start == start), frozenset())


def found_text(token: Token) -> str:
    """A token as a message names it."""
    if token.kind == "BLOCK":
        return 'a `"""` block'
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return f"the string `{text}`" if token.kind == "STRING" else f"`{text}`"


def describe(possible: Mapping[str, int], tables: Tables) -> str:
    """What may follow, a few words of it: `a name`, `` `,` or `)` ``; empty where only the end may."""
    kinds = dict(possible)
    parts: list[str] = []
    if {"NAME", "NUMBER", "STRING", "LSQB"} <= kinds.keys():
        parts.append("a literal such as `p(x)`" if "OR" in kinds else "a value")
        kinds = {kind: state for kind, state in kinds.items() if kind not in LITERAL and kind != "OR"}
        kinds = without_plain_words(kinds, tables)
    elif "NAME" in kinds:
        kinds = without_plain_words(kinds, tables)
        parts.append("a name")
        kinds.pop("NAME")
    if kinds.keys() - OPERATORS - {END}:
        kinds = {kind: state for kind, state in kinds.items() if kind not in OPERATORS}
    spelled = {name: f"`{word}`" for word, name in tables.words.items()}
    for kind in kinds:
        named = CLASSES.get(kind, spelled.get(kind, ""))
        if named and named not in parts:
            parts.append(named)
    return _few(parts)


def without_plain_words(kinds: dict[str, int], tables: Tables) -> dict[str, int]:
    """Leave out the keywords that could only stand here as names: all they do is become one."""
    naming = {
        -1 - place for place, made in enumerate(tables.productions) if made.builder in ("word", "guarded")
    }
    words = {name for word, name in tables.words.items() if word[0].isalpha()}
    return {
        kind: state
        for kind, state in kinds.items()
        if kind not in words or not set(tables.rows[state].values()) <= naming
    }


def _few(parts: list[str]) -> str:
    if len(parts) > FEW + 1:
        parts = [*parts[:FEW], "something else that may stand here"]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}" if parts else ""
