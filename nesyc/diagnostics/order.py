"""Which diagnostics are shown, and in which order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nesyc.diagnostics.diagnostic import Diagnostic
from nesyc.diagnostics.span import Span

_SYNTAX = frozenset(("E0101", "E0102"))


def arrange(diagnostics: Iterable[Diagnostic], files: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Each diagnostic once, follow-ons left out, by file (in the order of `files`), place and code."""
    unique = tuple(dict.fromkeys(diagnostics))
    order = {file: place for place, file in enumerate(files)}
    return tuple(
        sorted(
            hide_follow_ons(unique),
            key=lambda found: (
                order.get(found.span.file, len(order)),
                found.span.file,
                found.span.start,
                found.span.end,
                found.code,
                found.message,
            ),
        )
    )


def hide_follow_ons(diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Leave out what only follows from another mistake.

    Hidden is an error at the very span of one that comes from an earlier stage (syntax before names,
    names before types, ...), a warning at the span of an error, E0401 where E0402 says more, and a name that is
    unknown, or a key that is missing, because what has it could not be read.
    """
    unread = {name for found in diagnostics if found.code in _SYNTAX for name in found.names}
    first: dict[Span, str] = {}
    for found in diagnostics:
        known = first.get(found.span)
        if known is None or _rank(found.code) < _rank(known):
            first[found.span] = found.code
    return tuple(
        found
        for found in diagnostics
        if not _follows(found.code, first[found.span]) and (found.code in _SYNTAX or not found.names & unread)
    )


def _follows(code: str, first: str) -> bool:
    if code == first:
        return False
    if (code, first) == ("E0401", "E0402"):
        return True
    return _rank(code)[:1] > _rank(first)[:1] if code[0] == "W" else _rank(code)[:2] > _rank(first)[:2]


def _rank(code: str) -> tuple[bool, str, bool]:
    """Errors before warnings, then by area; E0402 before E0401."""
    return code.startswith("W"), code[1:3], code != "E0402"
