"""Gathers occurrences while the walks go over the tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from nesyc.checks.tables import Tables
from nesyc.diagnostics.span import Span
from nesyc.index.model import BuiltIn, Definition, Index, Link, Occurrence, SymbolId
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class Collector:
    """What the walks have found so far; `tables` say what a name means."""

    tables: Tables
    occurrences: list[Occurrence] = field(default_factory=list)
    definitions: dict[SymbolId, list[Definition]] = field(default_factory=dict)
    built_ins: list[BuiltIn] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    holes: list[tuple[Span, ast.Text]] = field(default_factory=list)

    def define(self, symbol: SymbolId, name: ast.Ident, node: object) -> None:
        """`name` declares `symbol`."""
        self.definitions.setdefault(symbol, []).append(Definition(symbol, name.span, node))
        self.occurrences.append(Occurrence(symbol, name.span, is_definition=True))

    def use(self, symbol: SymbolId, span: Span) -> None:
        """`symbol` stands at `span`."""
        self.occurrences.append(Occurrence(symbol, span))

    def constant(self, enum: str | None, constant: ast.EnumConstant) -> None:
        """`.father` where a value of `enum` stands; nothing where there is no such constant."""
        info = self.tables.symbols.enums.get(enum or "")
        if info is not None and constant.name in info.constants:
            self.use(SymbolId("constant", constant.name, info.name), name_span(constant))

    def type_ref(self, ref: ast.TypeRef) -> None:
        """A type: an enum's name is a use of it."""
        if ref.name.text in self.tables.symbols.enums:
            self.use(SymbolId("enum", ref.name.text), ref.name.span)

    def finish(self) -> Index:
        """The index of everything gathered."""
        by_file: dict[str, dict[int, Occurrence]] = {}
        for occurrence in self.occurrences:
            known = by_file.setdefault(occurrence.span.file, {})
            if occurrence.is_definition or occurrence.span.start not in known:
                known[occurrence.span.start] = occurrence
        by_symbol: dict[SymbolId, list[Occurrence]] = {}
        ordered: dict[str, tuple[Occurrence, ...]] = {}
        for file, found in by_file.items():
            ordered[file] = tuple(found[start] for start in sorted(found))
            for occurrence in ordered[file]:
                by_symbol.setdefault(occurrence.symbol, []).append(occurrence)
        return Index(
            ordered,
            {symbol: tuple(found) for symbol, found in by_symbol.items()},
            {symbol: tuple(found) for symbol, found in self.definitions.items()},
            _by_file(self.built_ins),
            tuple(self.links),
            tuple(self.holes),
        )


def name_span(constant: ast.EnumConstant) -> Span:
    """The place of a constant's name, its dot left out."""
    return Span(constant.span.file, constant.span.end - len(constant.name), constant.span.end)


def _by_file(found: list[BuiltIn]) -> Mapping[str, tuple[BuiltIn, ...]]:
    files: dict[str, dict[Span, BuiltIn]] = {}
    for item in found:
        files.setdefault(item.span.file, {}).setdefault(item.span, item)
    return {
        file: tuple(sorted(items.values(), key=lambda item: item.span.start)) for file, items in files.items()
    }
