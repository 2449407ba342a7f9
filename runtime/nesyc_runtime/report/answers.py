"""An answer as people read it: what, how sure, and on what it rests."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nesyc_runtime.files import printable

LONGEST = 2000  # characters of one text


def answer_text(result: Mapping[str, Any]) -> str:
    """Plain lines; nothing in them can drive a terminal."""
    return "\n".join(printable(line, LONGEST) for line in _lines(result)) + "\n"


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    if result["abstained"]:
        yield "no answer: " + ("every answer was rejected" if result["rejected"] else "none could be read")
    else:
        yield f"{result['answer']}  (confidence {result['conf']:.2f})"
    if result["reasoning"]:
        yield from (f"  {line}" for line in str(result["reasoning"]).splitlines())
    if result["hits"]:
        yield "knowledge used:"
        for hit in result["hits"]:
            key = ", ".join(str(value) for value in hit["key"])
            yield f"  {hit['relation']}({key})  {hit['text']}"
    if result["facts"]:
        yield "facts used:"
        for fact in result["facts"]:
            arguments = ", ".join(str(value) for value in fact["args"])
            rule = f"  [rule {fact['rule']}]" if fact.get("rule") else ""
            yield f"  {fact['relation']}({arguments})  {fact['text'] or ''}{rule}"
    for rejected in result["rejected"]:
        yield f"rejected: {rejected['answer']}, {rejected['claim']} contradicts {rejected['by']}"
