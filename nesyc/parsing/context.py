"""What the builders share while one text is parsed: the file's name and the mistakes found so far."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from nesyc.diagnostics import Diagnostic, Edit, Help, near_names
from nesyc.diagnostics.span import Span
from nesyc.parsing.lexer import Token
from nesyc.parsing.text import text_value
from nesyc.syntax import nodes

LIMIT = 200
"""At most so many syntax errors are reported for one file."""
LONGEST = 30
"""Digits of a whole number."""


@dataclass(slots=True)
class Context:
    file: str
    problems: list[Diagnostic] = field(default_factory=list)
    editions: list[Span] = field(default_factory=list)

    def report(self, message: str, span: Span, label: str = "", help: Help | None = None) -> None:
        """Note an E0101, up to `LIMIT`: after that many, one more tells nothing."""
        if len(self.problems) >= LIMIT:
            return
        self.problems.append(Diagnostic("E0101", message, span, label, help=help))

    def number(self, text: str, span: Span) -> int | float:
        """The number, an int where it is written as one."""
        if text.isdigit():
            if len(text) <= LONGEST:
                return int(text)
            self.report("this number is too large", span, f"more than {LONGEST} digits")
            return 0
        value = float(text)
        if math.isinf(value):
            self.report("this number is too large", span, "beyond what a 64-bit float holds")
            return 0.0
        return value

    def whole_number(self, token: Token) -> int | None:
        span = Span(self.file, token.start, token.end)
        if token.text.isdigit() and len(token.text) <= LONGEST:
            return int(token.text)
        self.report(f"expected a whole number, found `{token.text[:40]}`", span)
        return None

    def text(self, token: Token, span: Span) -> nodes.Text:
        block = token.kind == "BLOCK"
        value, wrong = text_value(token.text, block)
        for offset in wrong:
            found = token.text[offset : offset + 2]
            place = Span(self.file, token.start + offset, token.start + offset + 2)
            self.report(
                f"`{found}` is no escape",
                place,
                "a backslash on its own is written twice",
                Help(f"write `\\{found}`", (Edit(place, f"\\{found}"),)),
            )
        return nodes.Text(value, span, block)

    def atom(self, call: nodes.Call) -> nodes.Atom:
        """A call in a place where only a relation's atom can stand: its arguments have no names."""
        for argument in call.arguments:
            if argument.name is not None:
                self.report(
                    f"the arguments of `{call.function.text}` go by position, not by name",
                    argument.span,
                    "remove the name",
                )
        values = tuple(argument.value for argument in call.arguments)
        return nodes.Atom(call.function, values, call.span)

    def known_aggregate(self, function: nodes.Ident, known: Sequence[str]) -> None:
        if function.text in known:
            return
        near = near_names(function.text, known)
        help = Help(f"did you mean `{near[0]}`?", (Edit(function.span, near[0]),)) if near else None
        self.report(
            f"`{function.text}` is no aggregate",
            function.span,
            "expected " + ", ".join(f"`{name}`" for name in known),
            help,
        )

    def only_once(self, what: str, again: Sequence[nodes.Column]) -> None:
        if again:
            span = Span(self.file, again[0].span.start, again[-1].span.end)
            self.report(f"a second `{what} (...)` in one block", span, "put all columns into the first one")
