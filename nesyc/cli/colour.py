"""Colour for rendered diagnostics: the words stay those of the plain text."""

from __future__ import annotations

import re

_HEAD = re.compile(r"(error|warning)(\[\w+\])(: .*)")
_PLACE = re.compile(r"( *)(┌─ .*)")
_MARKS = re.compile(r"( *│ +)([ ^-]*[\^-])(.*)")
_REMARK = re.compile(r"(  = )(note|help)(:.*)")


def coloured(text: str) -> str:
    """One rendered diagnostic with terminal colours."""
    from io import StringIO

    from rich.console import Console
    from rich.text import Text

    styled = Text()
    for line in text.splitlines(keepends=True):
        for part, style in _styled(line):
            styled.append(part, style)
    buffer = StringIO()
    Console(file=buffer, force_terminal=True, soft_wrap=True, highlight=False).print(styled, end="")
    return buffer.getvalue()


def _styled(line: str) -> list[tuple[str, str]]:
    body = line.rstrip("\n")
    end = line[len(body) :]
    if match := _HEAD.fullmatch(body):
        colour = "bold red" if match[1] == "error" else "bold yellow"
        return [(match[1] + match[2], colour), (match[3] + end, "bold")]
    if match := _PLACE.fullmatch(body):
        return [(line, "blue")]
    if match := _MARKS.fullmatch(body):
        colour = "red" if "^" in match[2] else "cyan"
        return [(match[1], "blue"), (match[2] + match[3] + end, colour)]
    if match := _REMARK.fullmatch(body):
        return [
            (match[1], "blue"),
            (match[2], "bold green" if match[2] == "help" else "bold"),
            (match[3] + end, ""),
        ]
    gutter, bar, rest = body.partition("│")
    if bar and not gutter.strip("0123456789 "):
        return [(gutter + bar, "blue"), (rest + end, "")]
    return [(line, "")]
