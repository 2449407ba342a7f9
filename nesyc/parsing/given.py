"""Values of params from outside the source, each with the place it was written at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.diagnostics.span import Span

PARAM, PROFILE = "--param", "--profile"
"""What spans call the options of the command line, as if their values were files."""


@dataclass(frozen=True, slots=True)
class Given:
    """`value` is text of the command line, or what YAML made of it (None for null); `name` and `span` are places."""

    value: object
    name: Span
    span: Span


def given_by_options(params: Mapping[str, str]) -> tuple[dict[str, Given], str]:
    """The values of `--param name=value`, and the text that their places point into."""
    given: dict[str, Given] = {}
    text = ""
    for name, value in params.items():
        start, middle = len(text), len(text) + len(name)
        text += f"{name}={value}\n"
        given[name] = Given(value, Span(PARAM, start, middle), Span(PARAM, middle + 1, len(text) - 1))
    return given, text
