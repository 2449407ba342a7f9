"""The TextMate grammar of .nesy text, for VS Code, GitHub and whatever else reads one.

`python -m nesyc.highlighting.textmate` writes it into editors/vscode/ of a checkout.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nesyc.highlighting import words

PLACE = Path(__file__).resolve().parents[2] / "editors" / "vscode" / "syntaxes" / "nesy.tmLanguage.json"


def textmate() -> str:
    """The grammar as JSON; the same words give the same bytes."""
    inside = [_match("constant.character.escape", words.ESCAPE), _match("variable.other.hole", words.HOLE)]
    grammar = {
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "comment": "Made by `python -m nesyc.highlighting.textmate`: change the words there.",
        "name": "nesy",
        "scopeName": "source.nesy",
        "fileTypes": ["nesy"],
        "patterns": [
            _match("comment.line.number-sign", "#.*$"),
            _span("string.quoted.triple", '"""', '"""', inside),
            _span("string.quoted.double", '"', '"|$', inside),
            _match("entity.name.function.decorator", words.ANNOTATION),
            _match("constant.other.enum", words.ENUM_CONSTANT),
            _match("constant.numeric", words.NUMBER),
            {
                "match": rf"({words.DECLARATION})[ \t]+({words.NAME})",
                "captures": {
                    "1": {"name": "keyword.declaration.nesy"},
                    "2": {"name": "entity.name.type.nesy"},
                },
            },
            _match("keyword.control", words.ITEM),
            _match("keyword.operator.word", words.RESERVED),
            _match("constant.language", words.CONSTANT),
            _match("support.type", words.TYPE),
            _match("keyword.control", words.JOINT),
            _match("entity.name.function", words.FUNCTION),
            _match("variable.parameter", words.KEY),
            _match("variable.other", words.NAME),
            _match("keyword.operator", words.OPERATOR),
        ],
    }
    return json.dumps(grammar, indent=2) + "\n"


def _match(scope: str, pattern: str) -> dict[str, Any]:
    return {"name": f"{scope}.nesy", "match": pattern}


def _span(scope: str, begin: str, end: str, patterns: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": f"{scope}.nesy", "begin": begin, "end": end, "patterns": patterns}


if __name__ == "__main__":
    PLACE.write_text(textmate(), encoding="utf-8", newline="\n")
