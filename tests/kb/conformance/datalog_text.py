"""A plain Datalog program, as the conformance suite writes it, turned into the text of a .nesy spec.

What the two languages say differently:

- a predicate with facts *and* rules becomes a stored relation, a derived one, and a rule that copies;
- a variable that stands only under `not` is existential there: `_` in .nesy, or a helper relation where it stands
  twice in the literal;
- columns are typed: those that share a variable share a type, `int` where every value is whole, else `text`;
- a predicate without columns gets one, which is always 0.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INLINE = 200  # rows; more of one predicate go into a CSV file
TOKEN = re.compile(r'\s*(:-|<=|>=|==|!=|"[^"]*"|\d+(?:\.\d+)?|\w+|[-+*/%<>=(),.])')
SIGNS = ("<=", ">=", "==", "!=", "<", ">", "=")
ARITHMETIC = ("+", "-", "*", "/", "%")

Column = tuple[str, int]


@dataclass(frozen=True)
class Literal:
    """An atom with its arguments as token lists, or (`name` None) a comparison of the two arguments."""

    name: str | None
    arguments: tuple[tuple[str, ...], ...]
    negated: bool = False
    sign: str = ""


@dataclass(frozen=True)
class DatalogRule:
    head: Literal
    body: tuple[Literal, ...]


@dataclass
class Tokens:
    items: list[str]
    at: int = 0

    def peek(self) -> str:
        return self.items[self.at] if self.at < len(self.items) else ""

    def take(self, *wanted: str) -> str:
        found = self.peek()
        assert found and (not wanted or found in wanted), f"expected {wanted} at {self.at} of {self.items}"
        self.at += 1
        return found


def parse_rule(text: str) -> DatalogRule:
    tokens = Tokens(TOKEN.findall(text.strip().removesuffix(".")))
    head = _literal(tokens)
    body: list[Literal] = []
    while tokens.peek():
        tokens.take(":-", ",")
        body.append(_literal(tokens))
    return DatalogRule(head, tuple(body))


def _literal(tokens: Tokens) -> Literal:
    if tokens.peek() == "(":
        tokens.take("(")
        inner = _literal(tokens)
        tokens.take(")")
        return inner
    negated = tokens.peek() == "not"
    if negated:
        tokens.take("not")
    if tokens.at + 1 < len(tokens.items) and tokens.items[tokens.at + 1] == "(":
        name = tokens.take()
        tokens.take("(")
        arguments = []
        while tokens.peek() != ")":
            arguments.append(_term(tokens))
            if tokens.peek() == ",":
                tokens.take(",")
        tokens.take(")")
        return Literal(name, tuple(arguments), negated)
    left = _term(tokens)
    sign = tokens.take(*SIGNS)
    return Literal(None, (left, _term(tokens)), negated, sign)


def _term(tokens: Tokens) -> tuple[str, ...]:
    parts = [tokens.take()]
    while tokens.peek() in ARITHMETIC:
        parts += [tokens.take(), tokens.take()]
    return tuple(parts)


def is_variable(token: str) -> bool:
    return token != "_" and re.fullmatch(r"[A-Za-z_]\w*", token) is not None


@dataclass
class Translation:
    """`text` of the spec, `files` beside it, `types` of every predicate's columns."""

    text: str
    files: dict[str, str]
    types: dict[str, tuple[str, ...]]


def translate(facts: Mapping[str, Sequence[Sequence[Any]]], rules: Sequence[str]) -> Translation:
    return _Translator(facts, [parse_rule(rule) for rule in rules]).run()


@dataclass
class _Translator:
    facts: Mapping[str, Sequence[Sequence[Any]]]
    rules: list[DatalogRule]
    widths: dict[str, int] = field(default_factory=dict)
    parents: dict[Column, Column] = field(default_factory=dict)
    helpers: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)

    def run(self) -> Translation:
        for name, rows in self.facts.items():
            self.widths[name] = len(rows[0]) if rows else 0
        for rule in self.rules:
            for literal in (rule.head, *rule.body):
                if literal.name is not None:
                    self.widths.setdefault(literal.name, len(literal.arguments))
        types = self._types()
        heads = {rule.head.name for rule in self.rules}
        written = [self._rule(number, rule, types) for number, rule in enumerate(self.rules, 1)]
        items = [line for name in self.widths for line in self._relation(name, name in heads, types[name])]
        body = "\n".join(f"  {line}" for line in (*items, *self.helpers, *written))
        return Translation(f"nesy 1\nkb suite {{\n{body}\n}}\n", self.files, types)

    def _find(self, column: Column) -> Column:
        while (above := self.parents.setdefault(column, column)) != column:
            column = above
        return column

    def _types(self) -> dict[str, tuple[str, ...]]:
        """`text` where a column, or one it shares a variable with, meets a text, or nothing at all."""
        met = [
            (column, is_text)
            for number, rule in enumerate(self.rules)
            for literal in (rule.head, *rule.body)
            for column, is_text in self._unify(literal, f"rule {number}")
        ]
        for name, rows in self.facts.items():
            met += [((name, i), isinstance(value, str)) for row in rows for i, value in enumerate(row)]
        texts = {self._find(column) for column, is_text in met if is_text}
        numbers = {self._find(column) for column, is_text in met if not is_text} - texts
        return {
            name: tuple("int" if self._find((name, i)) in numbers else "text" for i in range(width))
            for name, width in self.widths.items()
        }

    def _unify(self, literal: Literal, rule: str) -> Iterator[tuple[Column, bool]]:
        """Join the columns and variables of a literal; gives the constants met: the column, and whether a text."""
        if literal.name is None:
            return
        for index, argument in enumerate(literal.arguments):
            column = (literal.name, index)
            for token in argument:
                if is_variable(token):
                    self.parents[self._find((f"{rule} {token}", 0))] = self._find(column)
                elif token[0].isdigit() or token[0] == '"':
                    yield column, token[0] == '"'

    def _relation(self, name: str, derived: bool, types: tuple[str, ...]) -> Iterator[str]:
        columns = ", ".join(f"c{i}: {kind}" for i, kind in enumerate(types or ("int",)))
        rows = self.facts.get(name, ())
        stored = f"{name}_facts" if derived else name
        if derived:
            yield f"derived {name}({columns})"
        if not derived or rows:
            yield f"relation {stored}({columns})"
        if rows:
            yield from self._facts(stored, types, rows)
        if derived and rows:
            listed = ", ".join(f"v{i}" for i in range(len(types)))
            yield f"rule copy_{name}: {name}({listed}) :- {stored}({listed});"

    def _facts(self, stored: str, types: tuple[str, ...], rows: Sequence[Sequence[Any]]) -> Iterator[str]:
        if len(rows) <= INLINE:
            written = (
                ", ".join(_constant(v, t) for v, t in zip(r, types + ("int",) * len(r), strict=False))
                for r in rows
            )
            yield f"facts {stored} {{ {' '.join(f'({row})' for row in written)} }}"
            return
        sheet = io.StringIO()
        writer = csv.writer(sheet)
        writer.writerow([f"c{i}" for i in range(len(types))])
        writer.writerows(rows)
        self.files[f"{stored}.csv"] = sheet.getvalue()
        yield f'facts {stored} from csv("{stored}.csv")'

    def _rule(self, number: int, rule: DatalogRule, types: Mapping[str, tuple[str, ...]]) -> str:
        bound = {
            token
            for literal in rule.body
            if literal.name is not None and not literal.negated
            for argument in literal.arguments
            for token in argument
        }
        body = ", ".join(self._literal(literal, bound, types) for literal in rule.body)
        return f"rule r{number}: {self._literal(rule.head, bound, types)} :- {body};"

    def _literal(self, literal: Literal, bound: set[str], types: Mapping[str, tuple[str, ...]]) -> str:
        if literal.name is None:
            left, right = ("".join(argument) for argument in literal.arguments)
            return f"{left} {literal.sign} {right}"
        kinds = types[literal.name]
        if not literal.negated:
            return _atom(literal.name, literal.arguments, kinds)
        names = [token for argument in literal.arguments for token in argument if is_variable(token)]
        local = {name: count for name, count in Counter(names).items() if name not in bound}
        if all(count == 1 for count in local.values()):
            hidden = tuple(tuple("_" if t in local else t for t in a) for a in literal.arguments)
            return f"not {_atom(literal.name, hidden, kinds)}"
        return self._projected(literal, local, kinds)

    def _projected(self, literal: Literal, local: Mapping[str, int], kinds: tuple[str, ...]) -> str:
        """`not r(x, P, P)` through a helper that says for which x there is such a P."""
        assert literal.name is not None
        kept = [
            (a, t) for a, t in zip(literal.arguments, kinds, strict=True) if not any(n in local for n in a)
        ]
        name = f"some_{literal.name}_{len(self.helpers)}"
        head = _atom(name, [a for a, _ in kept], [t for _, t in kept])
        columns = ", ".join(f"c{i}: {kind}" for i, (_, kind) in enumerate(kept))
        self.helpers.append(f"derived {name}({columns})")
        self.helpers.append(f"rule {name}: {head} :- {_atom(literal.name, literal.arguments, kinds)};")
        return f"not {head}"


def _atom(name: str, arguments: Sequence[Sequence[str]], types: Sequence[str]) -> str:
    kinds = [*types, *["int"] * len(arguments)]
    written = (" ".join(_token(t, kind) for t in a) for a, kind in zip(arguments, kinds, strict=False))
    return f"{name}({', '.join(written) if arguments else '0'})"


def _token(token: str, kind: str) -> str:
    return f'"{token}"' if kind == "text" and token[0].isdigit() else token


def _constant(value: Any, kind: str) -> str:
    return json.dumps(str(value), ensure_ascii=False) if kind == "text" else str(value)
