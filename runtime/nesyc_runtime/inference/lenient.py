"""What a response may have meant, where it does not state its answer as the task asks.

The strict value (`parse_answer`) decides; this one stands beside it, so that a table can tell a student that does not know
from one that does not keep the form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nesyc_runtime.config import Parser, Task
from nesyc_runtime.inference.answers import parse_answer
from nesyc_runtime.inference.finders import find
from nesyc_runtime.inference.values import FALSE, TRUE, read_value

# "(A) 3 days", "B. 4 days", "C) five" at the start of a line, or the letters in brackets within one
OPTIONS = (
    re.compile(r"(?m)^\s*\(?([A-Z])[).:]\s*(\S.*?)\s*$"),
    re.compile(r"\(([A-Z])\)\s*([^()\n]+?)\s*(?=\(|$)"),
)
CONCLUSIONS = ("the answer is", "####", "final answer:", "answer:")
BOOLEANS = re.compile(rf"(?i)\b({'|'.join((*TRUE, *FALSE))})\b")


def parse_leniently(task: Task, response: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every output as `parse_answer` gives it; where the first parsed one is None, the likeliest value of its type.

    Tried in turn: what follows a usual conclusion, a box, the last option whose letter or text (as `inputs` list them) is
    named, the last constant, truth value or number, the last line. Never raises.
    """
    outputs = parse_answer(task, response)
    if not task.parsers or outputs[task.parsers[0].output] is not None:
        return outputs
    parser = task.parsers[0]
    for text in _candidates(parser, response, inputs):
        value = read_value(text, parser.type, parser.constants)
        if value is not None:
            return {**outputs, parser.output: value}
    return outputs


def _candidates(parser: Parser, response: str, inputs: Mapping[str, Any]) -> list[str]:
    """Texts that may state the answer, the likeliest first."""
    found = [_by(parser, "after_last", response, phrase) for phrase in CONCLUSIONS]
    found.append(_by(parser, "boxed", response))
    match parser.type.base:
        case "int" | "number" | "usd":
            found.append(_by(parser, "number", response))
        case "enum":
            found.append(_by(parser, "choice", response))
        case "bool":
            found += BOOLEANS.findall(response)[-1:]
        case "text":
            found.append(_option(response, inputs))
            found += [line.strip() for line in response.splitlines() if line.strip()][-1:]
        case _:
            found.append(response)
    return [text for text in found if text]


def _by(parser: Parser, function: str, response: str, *arguments: str) -> str | None:
    found = find(_with(parser, function, arguments), response)
    return found.text if found is not None else None


def _with(parser: Parser, function: str, arguments: tuple[str, ...]) -> Parser:
    return parser.model_copy(update={"function": function, "arguments": arguments})


def _option(response: str, inputs: Mapping[str, Any]) -> str | None:
    """The letter of the option named last, by its letter in brackets or its whole text; None without options."""
    asked = "\n".join(value for value in inputs.values() if isinstance(value, str))
    options = next((pairs for pattern in OPTIONS if len(pairs := pattern.findall(asked)) > 1), [])
    named = [
        (place.end(), len(place[0]), letter)  # of "Tuesday" and "after Tuesday", the longer
        for letter, text in options
        for place in re.finditer(rf"\({letter}\)|(?<!\w){re.escape(text)}(?!\w)", response)
    ]
    return f"({max(named)[-1]})" if named else None
