"""Reads a window of a KB that has a syntax error, in a file that is tidy but for it."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.diagnostics import Diagnostic
from nesyc.parsing.brackets import Brackets, match_brackets
from nesyc.parsing.context import LIMIT
from nesyc.parsing.lexer import Token
from nesyc.parsing.recover import recover_file
from nesyc.parsing.split import KB, declaration_margins, split_items
from nesyc.syntax import nodes

HEAD = 3
"""Tokens before the items: `kb NAME {`."""


def read_broken(
    path: str, text: str, tokens: list[Token], stuck: int, known: Sequence[Diagnostic], after: int | None
) -> tuple[nodes.Kb, tuple[Diagnostic, ...]] | None:
    """What recovery makes of `tokens`, a KB that holds the window only; None where it would need to see more.

    `stuck` and `known` are as `recover_file` takes them; the window's last item, which is sound, begins at `after`.
    """
    if tokens[0].kind != "KB":
        return None
    margins = declaration_margins(text, tokens)
    brackets = match_brackets(text, tokens, margins)
    if margins != {0} or not _is_closed_within(tokens, brackets, after):
        return None
    if after is not None and not _begins_an_item(text, tokens, brackets, after):
        return None
    file, context = recover_file(path, text, tokens, stuck, known)
    problems = (*known, *context.problems)
    kb = file.declarations[0] if len(file.declarations) == 1 else None
    return (kb, problems) if isinstance(kb, nodes.Kb) and 0 < len(problems) < LIMIT // 2 else None


def _is_closed_within(tokens: Sequence[Token], brackets: Brackets, after: int | None) -> bool:
    """Whether the braces come out even and every other bracket left open is closed before the last item goes on."""
    final = len(tokens) - 1
    if brackets.closed.get(HEAD - 1) != final:
        return False
    last = next((place for place, token in enumerate(tokens) if token.start == after), final)
    if any(tokens[place].kind == "RBRACE" for place in brackets.stray):
        return False
    return all(
        tokens[place].kind != "LBRACE" and before <= last for place, before in brackets.unclosed.items()
    )


def _begins_an_item(text: str, tokens: Sequence[Token], brackets: Brackets, start: int) -> bool:
    """Whether recovery takes the token at `start` for the beginning of an item."""
    items = split_items(text, tokens, HEAD, len(tokens) - 1, KB, brackets)
    return any(tokens[first].start == start for first, _ in items)
