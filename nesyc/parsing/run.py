"""The parser with the grammar's tables and the builders of its nodes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from nesyc.parsing import build
from nesyc.parsing.context import Context
from nesyc.parsing.lalr import Builder, parse
from nesyc.parsing.lexer import Token
from nesyc.parsing.tables import load_tables


def run(start: str, tokens: Sequence[Token], context: Context) -> Any:
    """The value of the start symbol (one of `tables.STARTS`). Raises `Stuck` and `TooDeep`."""
    return parse(load_tables(), start, tokens, _builders(), context, context.file)


@cache
def _builders() -> tuple[Builder | None, ...]:
    return tuple(
        None if production.builder in ("", "_") else build.BUILDERS[production.builder]
        for production in load_tables().productions
    )
