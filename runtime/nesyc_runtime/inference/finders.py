"""The answer parsers: where in a response the answer stands, as text that is not read as a value yet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nesyc_runtime import patterns
from nesyc_runtime.config import Parser
from nesyc_runtime.inference.values import NUMBER

BOX = re.compile(r"\\f?box(?:ed)?\s*\{")
TEXT_BOX = re.compile(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class Found:
    """The text an answer parser found, and where in the response its match begins."""

    text: str
    start: int


def find(parser: Parser, response: str) -> Found | None:
    """What an answer parser finds in a response, as text; None where it finds nothing. Never raises."""
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
    said = list(re.finditer(re.escape(phrase), response, re.IGNORECASE))
    if not said:
        return None
    rest = response[said[-1].end() :].lstrip(" \t:\n\r")
    return Found(rest.split("\n", 1)[0], said[-1].start()) if rest else None


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


def _boxed(response: str, _: str, __: Parser) -> Found | None:
    r"""What the last `\boxed{...}` (or `\fbox`) holds, its braces balanced; one that never closes is no answer."""
    for opened in reversed(list(BOX.finditer(response))):
        depth = 1
        for at in range(opened.end(), min(len(response), opened.end() + patterns.LONGEST)):
            depth += (response[at] == "{") - (response[at] == "}")
            if depth == 0:
                inside = _without_text(response[opened.end() : at].strip())
                return Found(inside, opened.start()) if inside else None
    return None


def _without_text(inside: str) -> str:
    r"""`\text{Monday}` as `Monday`: the words of a formula."""
    wrapped = TEXT_BOX.fullmatch(inside)
    return wrapped[1].strip() if wrapped is not None else inside


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
    "boxed": _boxed,
    "json_field": _json_field,
    "rest": _rest,
}
