"""The rules in a teacher's answer: each `rule ...;` between whatever else it says."""

from __future__ import annotations

import re

_BEGIN = re.compile(r"^[\s>*`\-\d.)]*\b(rule\s+[A-Za-z_]\w*)", re.MULTILINE)
_PART = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|;|\n[ \t]*(?:\n|```)')
_BLANKS = re.compile(r"\s+")
LONGEST = 5_000  # characters of a rule


def rules_said(answer: str) -> list[str]:
    """The texts from `rule` to `;`, comments left out; one that does not end stops at the next empty line.

    Annotations are not among them: that a rule is accepted is not for a teacher to say.
    """
    found: list[str] = []
    position = 0
    while (begin := _BEGIN.search(answer, position)) is not None:
        text, position = _until_end(answer, begin.start(1))
        found.append(text[:LONGEST])
    return list(dict.fromkeys(found))


def _until_end(answer: str, start: int) -> tuple[str, int]:
    """The rule that begins at `start`, blanks between its words made one, and where it ends."""
    parts: list[str] = []
    position = start
    for part in _PART.finditer(answer, start):
        parts.append(_BLANKS.sub(" ", answer[position : part.start()]))
        position = part.end()
        if part[0] == ";":
            return "".join((*parts, ";")), position
        if part[0].startswith("\n"):
            return "".join(parts).strip(), position
        if part[0].startswith("#"):
            parts[-1] = parts[-1].rstrip()
        else:
            parts.append(part[0])
    return ("".join(parts) + _BLANKS.sub(" ", answer[position:])).strip(), len(answer)
