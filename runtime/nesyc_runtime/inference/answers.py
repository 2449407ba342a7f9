"""What a response says: the outputs of a task read from text, and an answer stated so that it reads back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import patterns
from nesyc_runtime.config import Parser, Task
from nesyc_runtime.expressions import is_true
from nesyc_runtime.inference.values import NUMBER, read_value


@dataclass(frozen=True, slots=True)
class Found:
    """The text an answer parser found, and where in the response its match begins."""

    text: str
    start: int


def parse_answer(task: Task, response: str) -> dict[str, Any]:
    """Every output of `task` as a typed value, None where the response does not give it.

    An output `reasoning` without a parser of its own is the text before the first parser's match (all of it
    where there is none). Never raises.
    """
    parsers = {parser.output: parser for parser in task.parsers}
    values: dict[str, Any] = {}
    for field in task.outputs:
        parser = parsers.get(field.name)
        if parser is not None:
            found = _find(parser, response)
            values[field.name] = (
                None if found is None else read_value(found.text, parser.type, parser.constants)
            )
        elif field.name == "reasoning":
            values[field.name] = split_response(task, response)
        else:
            values[field.name] = read_value(response, field.type, ()) if not parsers else None
    return values


def item_correct(task: Task, row: Mapping[str, Any], response: str) -> bool:
    """The task's verdict on a response: its first metric's value for the item. An answer not found is wrong."""
    return verdict(task, row, parse_answer(task, response))


def verdict(task: Task, row: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    """The first metric of `task` for an item whose outputs are parsed already; False for a task without metrics."""
    if not task.metrics:
        return False
    return is_true(task.metrics[0].value, {"row": row, "input": row, "output": outputs})


def split_response(task: Task, response: str) -> str:
    """The reasoning of a response: what stands before the answer match."""
    if not task.parsers:
        return response.strip()
    found = _find(task.parsers[0], response)
    return (response if found is None else response[: found.start]).strip()


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
    found = _find(parser, answer)
    if parser.function in ("last_match", "first_match", "after_last", "json_field") and found is not None:
        return answer
    for wording in _wordings(parser, answer):
        read = _find(parser, wording)
        if read is not None and read_value(read.text, parser.type, parser.constants) == meant:
            return wording
    return answer


def _wordings(parser: Parser, answer: str) -> list[str]:
    argument = str(parser.arguments[0]) if parser.arguments else ""
    match parser.function:
        case "last_match" | "first_match":
            return [f"{_example(argument, answer)}"]
        case "after_last":
            return [f"{argument.strip()} {answer}."]
        case "choice":
            return [f"({answer})", answer]
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


def _find(parser: Parser, response: str) -> Found | None:
    finder = FINDERS.get(parser.function)
    argument = str(parser.arguments[0]) if parser.arguments else ""
    return None if finder is None else finder(response, argument, parser)


def _matched(response: str, pattern: str, which: int) -> Found | None:
    found = patterns.find_all(pattern, response)
    if not found:
        return None
    match = found[which]
    cut = max(0, len(response) - patterns.LONGEST)
    groups = [group for group in match.groups() if group is not None]
    return Found(groups[0] if groups else match[0], cut + match.start())


def _last_match(response: str, pattern: str, _: Parser) -> Found | None:
    return _matched(response, pattern, -1)


def _first_match(response: str, pattern: str, _: Parser) -> Found | None:
    return _matched(response, pattern, 0)


def _after_last(response: str, phrase: str, _: Parser) -> Found | None:
    """What follows the phrase (in any case) on its line, or on the next one where it ends its line."""
    start = response.lower().rfind(phrase.lower())
    if start < 0:
        return None
    rest = response[start + len(phrase) :].lstrip(" \t:\n\r")
    return Found(rest.split("\n", 1)[0], start) if rest else None


def _number(response: str, _: str, __: Parser) -> Found | None:
    return _matched(response, NUMBER.pattern, -1)


def _choice(response: str, _: str, parser: Parser) -> Found | None:
    """The last declared constant named, else the last choice letter, in brackets before bare."""
    if parser.constants:
        words = "|".join(
            re.escape(name).replace("_", "[_ -]") for name in sorted(parser.constants, key=len)[::-1]
        )
        return _matched(response, rf"(?i)(?<!\w)({words})(?!\w)", -1)
    bracketed = _matched(response, r"\(([A-Za-z])\)", -1)
    return bracketed or _matched(response, r"\b([A-Z])\b(?!['’])", -1)


def _json_field(response: str, name: str, _: Parser) -> Found | None:
    """The field of the last JSON object in the response that has it."""
    decoder = json.JSONDecoder()
    starts = [at for at, sign in enumerate(response) if sign == "{"]
    for start in reversed(starts[-64:]):
        try:
            value, _end = decoder.raw_decode(response, start)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict) and name in value:
            field = value[name]
            return Found(field if isinstance(field, str) else json.dumps(field), start)
    return None


def _rest(response: str, _: str, __: Parser) -> Found | None:
    return Found(response.strip(), 0) if response.strip() else None


FINDERS: Mapping[str, Callable[[str, str, Parser], Found | None]] = {
    "last_match": _last_match,
    "first_match": _first_match,
    "after_last": _after_last,
    "number": _number,
    "choice": _choice,
    "json_field": _json_field,
    "rest": _rest,
}
