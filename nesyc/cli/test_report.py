"""Results of tests for people: a line each, and of failed ones what was expected, found, and nearly there."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import ndiff
from typing import Any

from rich.text import Text

from nesyc.cli.junit import expectation
from nesyc_runtime.files import printable

LONGEST = 2000  # characters of a found text


def report(result: dict[str, Any]) -> Text:
    text = Text()
    for test in result["tests"]:
        text.append("ok    " if test["ok"] else "FAILED", style="green" if test["ok"] else "bold red")
        text.append(f"  {printable(test['name'])}\n")
        for expect in test["expects"]:
            if not expect["ok"]:
                for line, style in _failure(expect):
                    text.append(f"        {line}\n", style=style)
    text.append(_summary(result), style="bold red" if result["failed"] else "bold green")
    return text


def _failure(expect: dict[str, Any]) -> Iterator[tuple[str, str]]:
    span = expect["span"]
    yield f"{span['file']}:{span['line']}", "blue"
    yield f"expected {_one_line(expectation(expect))}", ""
    found = printable(expect["found"], LONGEST)
    if expect["wanted"] is not None:
        yield from _difference(printable(expect["wanted"], LONGEST), found)
        return
    first, *rest = found.splitlines() or [""]
    yield f"found    {first}", "red"
    yield from ((f"         {line}", "red") for line in rest)
    yield from ((f"near     {printable(fact)}", "yellow") for fact in expect["near"])


def _difference(wanted: str, found: str) -> Iterator[tuple[str, str]]:
    """Line by line, `-` what was expected, `+` what was found."""
    styles = {"-": "green", "+": "red", "?": "dim", " ": ""}
    for line in ndiff(wanted.splitlines(), found.splitlines()):
        yield line.rstrip("\n"), styles[line[0]]


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))


def _summary(result: dict[str, Any]) -> str:
    if not result["tests"]:
        return "no tests"
    left_out = f", {result['left_out']} left out" if result["left_out"] else ""
    seconds = sum(test["seconds"] for test in result["tests"])
    return f"{result['passed']} passed, {result['failed']} failed{left_out} in {seconds:.2f} s"
