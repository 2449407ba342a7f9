"""Parses a file, a query or a fact: all syntax errors in one run, and a tree of what is sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.parsing.context import Context
from nesyc.parsing.edition import check_edition
from nesyc.parsing.lalr import Stuck, TooDeep
from nesyc.parsing.lexer import tokenize
from nesyc.parsing.mistakes import repair_tokens
from nesyc.parsing.run import run
from nesyc.syntax import nodes


@dataclass(frozen=True, slots=True)
class Parsed:
    """The tree of a file; what could not be read is missing from it and stands in `diagnostics`."""

    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """`kin("ann", x, r), not only_child(x)`; no literals where there are errors."""

    literals: tuple[nodes.Literal, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class ParsedFact:
    """`kin("ann", "carl", .grandfather)`; None where there are errors."""

    atom: nodes.Atom | None
    diagnostics: tuple[Diagnostic, ...]


def parse_file(path: str, text: str) -> Parsed:
    """Parse the text of a .nesy file. `path` stands in the spans. Never raises, whatever the text."""
    tokens, problems = repair_tokens(path, text, tokenize(text))
    context = Context(path)
    try:
        file: nodes.File = run("file", tokens, context)
    except (Stuck, TooDeep) as error:
        from nesyc.parsing.recover import recover_file  # seldom needed, and it takes time to import

        stuck = error.index if isinstance(error, Stuck) else len(tokens)
        file, context = recover_file(path, text, tokens, stuck, problems)
    found = (*problems, *context.problems, *check_edition(file, context.editions, text))
    whole = nodes.File(
        path, file.edition, file.fragment_of, file.declarations, file.fragment_items, Span(path, 0, len(text))
    )
    return Parsed(whole, tuple(sorted(found, key=lambda problem: problem.span.start)))


def parse_query(text: str, file: str = "<query>") -> ParsedQuery:
    """Parse literals separated by commas, as in a rule's body. Never raises."""
    value, problems = _parse_alone("query", text, file)
    return ParsedQuery(value if value is not None and not problems else (), problems)


def parse_fact(text: str, file: str = "<fact>") -> ParsedFact:
    """Parse one atom. Never raises."""
    value, problems = _parse_alone("fact", text, file)
    return ParsedFact(value if not problems else None, problems)


def _parse_alone(start: str, text: str, file: str) -> tuple[Any, tuple[Diagnostic, ...]]:
    from nesyc.parsing.expected import explain

    tokens, problems = repair_tokens(file, text, tokenize(text))
    context = Context(file)
    try:
        value = run(start, tokens, context)
    except (Stuck, TooDeep) as error:
        # A stray character explains why the rest does not parse.
        return None, tuple(problems) or (explain(error, start, tokens, file, text),)
    return value, (*problems, *context.problems)
