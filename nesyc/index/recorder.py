"""Resolves values as the checks do, and notes which name meant what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from nesyc.checks.kinds import Bound, Kind, Signature, Symbol
from nesyc.checks.references import OWNERS, dotted, find_symbol
from nesyc.checks.symbols import Symbols
from nesyc.checks.values import Resolver
from nesyc.diagnostics.span import Span
from nesyc.index.model import BuiltIn, SymbolId
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class Recorder(Resolver):
    """A `Resolver` whose problems nobody reads: `uses` and `built_ins` are what it is for.

    `method` names the method whose body is walked, "" elsewhere.
    """

    method: str = ""
    uses: list[tuple[SymbolId, Span]] = field(default_factory=list)
    built_ins: list[BuiltIn] = field(default_factory=list)

    def block(self, signature: Signature, name: ast.Ident, settings: Iterable[ast.Setting]) -> Bound:
        listed = tuple(settings)
        for setting in listed:
            self._parameter(signature, setting.key)
        return Resolver.block(self, signature, name, listed)

    def call(self, signature: Signature, call: ast.Call, in_stage: bool = False) -> Bound:
        self.built_ins.append(BuiltIn(call.function.span, signature, None))
        for argument in call.arguments:
            if argument.name is not None:
                self._parameter(signature, argument.name)
        return Resolver.call(self, signature, call, in_stage)

    def _parameter(self, signature: Signature, name: ast.Ident) -> None:
        parameter = signature.find(name.text)
        if parameter is not None:
            self.built_ins.append(BuiltIn(name.span, signature, parameter))

    def reference(self, kinds: tuple[str, ...], expr: ast.Expr, what: str, in_stage: bool = False) -> Any:
        path = dotted(expr)
        found = find_symbol(self.symbols, path, kinds, self.stages) if path else None
        if found is not None:
            self.uses.extend(self.named(expr, found))
        return Resolver.reference(self, kinds, expr, what, in_stage)

    def constant(self, expr: ast.Expr, what: str, base: str) -> Any:
        for name in names_in(expr):
            if name.text in self.placeholders:
                self.uses.append((SymbolId("parameter", name.text, self.method), name.span))
            elif name.text in self.symbols.params:
                self.uses.append((SymbolId("param", name.text), name.span))
        return Resolver.constant(self, expr, what, base)

    def _placeholder(self, kind: Kind, expr: ast.Name) -> Any:
        self.uses.append((SymbolId("parameter", expr.text, self.method), expr.span))
        return Resolver._placeholder(self, kind, expr)

    def named(self, expr: ast.Expr, found: Symbol) -> Iterator[tuple[SymbolId, Span]]:
        """The parts of a dotted name: what it names, and the owner before the dot."""
        symbol = symbol_id(self.symbols, found, self.method)
        if isinstance(expr, ast.Member):
            yield symbol, expr.name.span
            owner = "pipeline" if found.is_stage else OWNERS.get(found.kind)
            if isinstance(expr.of, ast.Name) and owner is not None:
                yield SymbolId(owner, expr.of.text), expr.of.span
        elif isinstance(expr, ast.Name):
            yield symbol, expr.span


def symbol_id(symbols: Symbols, found: Symbol, method: str = "") -> SymbolId:
    """A symbol of the checks as the index names it; a method's stage belongs to the method."""
    owner, _, name = found.id.rpartition(".")
    if not found.is_stage:
        return SymbolId(found.kind, name, owner)
    if method:
        return SymbolId("stage", name, f"method {method}")
    expanded = symbols.expanded.get(owner)
    if expanded is not None and expanded.method is not None:
        owner = f"method {expanded.method.name.text}"
    return SymbolId("stage", name, owner)


def names_in(expr: ast.Expr) -> Iterator[ast.Name]:
    """The names of a constant expression."""
    match expr:
        case ast.Name():
            yield expr
        case ast.Unary():
            yield from names_in(expr.operand)
        case ast.Binary():
            yield from names_in(expr.left)
            yield from names_in(expr.right)
        case _:
            return
