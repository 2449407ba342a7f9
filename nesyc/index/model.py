"""The index itself: occurrences of names by place and by what they name.

A large spec has some hundred thousand: what there is one of for each is a tuple, cheaper to make than a dataclass.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from nesyc.checks.kinds import Parameter, Signature
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


class SymbolId(NamedTuple):
    """What a name means: `kind` as in the sources (`relation`, `column`, ...), `owner` the scope it lies in.

    `SymbolId("column", "rel", "family.kin")`; a declaration of the top level has the owner "".
    """

    kind: str
    name: str
    owner: str = ""


class Occurrence(NamedTuple):
    """A name where it stands; `span` covers the name alone, not the dot of `.father`."""

    symbol: SymbolId
    span: Span
    is_definition: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """A declaration: the name's place, and the node it is declared by."""

    symbol: SymbolId
    span: Span
    node: object


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A function, key or argument of the language where it is used; `parameter` None for the function itself."""

    span: Span
    signature: Signature
    parameter: Parameter | None


@dataclass(frozen=True, slots=True)
class Link:
    """A path in a string that leads to another source of the spec, by the name spans have for it."""

    span: Span
    file: str


@dataclass(frozen=True, slots=True)
class Index:
    """All occurrences, by file in order of place; a symbol that stands nowhere has no entry."""

    by_file: Mapping[str, tuple[Occurrence, ...]]
    by_symbol: Mapping[SymbolId, tuple[Occurrence, ...]]
    definitions: Mapping[SymbolId, tuple[Definition, ...]]
    built_ins: Mapping[str, tuple[BuiltIn, ...]]
    links: tuple[Link, ...]
    holes: tuple[tuple[Span, ast.Text], ...]

    def at(self, file: str, offset: int) -> Occurrence | None:
        """The occurrence that `offset` lies in, or ends at."""
        return _find(self.by_file.get(file, ()), offset)

    def built_in_at(self, file: str, offset: int) -> BuiltIn | None:
        """The function, key or argument of the language at `offset`."""
        return _find(self.built_ins.get(file, ()), offset)

    def of(self, symbol: SymbolId) -> tuple[Occurrence, ...]:
        """Everywhere that `symbol` stands, definitions among them."""
        return self.by_symbol.get(symbol, ())

    def definition(self, symbol: SymbolId) -> Definition | None:
        """The first declaration of `symbol`."""
        return next(iter(self.definitions.get(symbol, ())), None)

    def scope(self, kind: str, owner: str) -> Iterator[SymbolId]:
        """The declared symbols of one kind in one scope."""
        return (symbol for symbol in self.definitions if symbol.kind == kind and symbol.owner == owner)


T = TypeVar("T", Occurrence, BuiltIn)


def _find(found: tuple[T, ...], offset: int) -> T | None:
    place = bisect_right(found, offset, key=lambda item: item.span.start) - 1
    for candidate in found[max(place - 1, 0) : place + 1][::-1]:
        if candidate.span.start <= offset <= candidate.span.end:
            return candidate
    return None
