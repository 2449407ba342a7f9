"""Answers worded so that they read back: what a training response says after its reasoning."""

from __future__ import annotations

import json
import re
from typing import Any

from nesyc_runtime.config import Parser, Task
from nesyc_runtime.inference.finders import find
from nesyc_runtime.inference.values import read_value


def join_response(reasoning: str, statement: str) -> str:
    """Rationale, then answer: on a line of its own after a finished sentence, else as its continuation."""
    if not reasoning or not statement:
        return reasoning or statement
    finished = reasoning.rstrip()[-1] in ".!?:;)]}\"'"
    return f"{reasoning}\n{statement}" if finished else f"{reasoning} {statement}"


def state_answer(task: Task, answer: str) -> str:
    """`answer` (a value as text, or already a statement) worded so that the task's parser finds it.

    From `last_match("(?i)answer:\\\\s*(\\\\w+)")` and "aunt" comes "answer: aunt". Where no wording is found the answer
    stands alone.
    """
    answer = answer.strip()
    if not task.parsers:
        return answer
    parser = task.parsers[0]
    meant = read_value(answer, parser.type, parser.constants)
    found = find(parser, answer)
    if (
        parser.function in ("last_match", "first_match", "after_last", "boxed", "json_field")
        and found is not None
    ):
        return answer
    for wording in _wordings(parser, answer):
        read = find(parser, wording)
        if read is not None and read_value(read.text, parser.type, parser.constants) == meant:
            return wording
    return answer


def _wordings(parser: Parser, answer: str) -> list[str]:
    argument = str(parser.arguments[0]) if parser.arguments else ""
    match parser.function:
        case "last_match" | "first_match":
            return [f"{_example(argument, answer)}"]
        case "after_last":
            statement = f"{argument.strip()} {answer}"
            return [f"{statement}.", statement]  # "U.S." ends with a point of its own
        case "choice":
            return [f"({answer})", answer]
        case "boxed":
            return [f"\\boxed{{{answer}}}"]
        case "json_field":
            return [json.dumps({argument: answer}, ensure_ascii=False)]
        case _:
            return [answer]


def _example(pattern: str, answer: str) -> str:
    """A text the pattern matches with `answer` as its first group: its literals, white space as one space."""
    from re import _parser

    try:
        return _example_of(_parser.parse(pattern), answer).strip()
    except (re.error, RecursionError, OverflowError):
        return answer


def _example_of(parsed: Any, answer: str) -> str:
    text = ""
    for kind, value in parsed:
        match str(kind):
            case "LITERAL":
                text += chr(value)
            case "SUBPATTERN":
                text += answer if value[0] == 1 else _example_of(value[3], answer)
            case "MAX_REPEAT" | "MIN_REPEAT":
                repeated = _example_of(value[2], answer)
                text += repeated if value[0] or repeated in (" ", answer) else ""
            case "BRANCH":
                text += _example_of(value[1][0], answer)
            case "IN" if ("CATEGORY_SPACE" in str(value)) or (32 in [item[1] for item in value]):
                text += " "
            case "IN" if str(value[0][0]) == "LITERAL":
                text += chr(value[0][1])
    return text
