"""What a file declares, as a tree; what can be folded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from lsprotocol import types

from nesyc.diagnostics.span import Span
from nesyc.index import Index, SymbolId
from nesyc.server.analysis import Analysis
from nesyc.server.positions import Lines
from nesyc.server.view import View
from nesyc.syntax import nodes as ast

K = types.SymbolKind
SYMBOL_KINDS = {
    "param": K.Constant, "enum": K.Enum, "constant": K.EnumMember, "teacher": K.Object, "student": K.Object,
    "embedder": K.Object, "dataset": K.Package, "split": K.Array, "field": K.Field, "task": K.Interface,
    "input": K.Field, "output": K.Field, "metric": K.Property, "kb": K.Namespace, "relation": K.Struct,
    "column": K.Field, "rule": K.Function, "retrieve": K.Method, "method": K.Class, "parameter": K.Variable,
    "pipeline": K.Module, "stage": K.Event, "evaluate": K.Operator,
}  # fmt: skip
# Brackets, and what hides them; a string ends with its line, a block at the latest with the text.
_MARK = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*+(?:"""|\Z)|"(?:[^"\\\n]|\\.)*+"?|#[^\n]*|[(){}\[\]]')
MOST = 1000
"""So many symbols of a workspace are shown at once."""


def document_symbols(view: View) -> list[types.DocumentSymbol]:
    """The declarations of a file, those of a KB's items and a pipeline's stages below theirs."""
    files = {file.path: file for file in view.known.loaded.files}
    file = files.get(view.file)
    if file is None:
        return []
    found = [_declaration(view, node) for node in file.declarations]
    return [one for one in (*found, *_items(view, file.fragment_items)) if one is not None]


def _declaration(view: View, node: ast.Declaration) -> types.DocumentSymbol | None:
    match node:
        case ast.Include() | ast.Allow():
            return None
        case ast.Test():
            return _symbol(view, node.name.value or "test", "test", K.Function, node.name.span, node.span)
        case ast.Answer():
            return _symbol(view, node.task.text, "answer", K.Operator, node.task.span, node.span)
    kind = type(node).__name__.lower()
    children: Iterable[types.DocumentSymbol | None] = ()
    match node:
        case ast.Kb():
            children = _items(view, node.items)
        case ast.Pipeline() | ast.Method():
            children = [_named(view, stage, "stage") for stage in node.stages]
        case ast.Dataset():
            children = [_named(view, split, "split") for split in node.splits]
        case ast.Task():
            columns = [_named(view, one, "field") for one in (*node.inputs, *node.outputs)]
            children = [*columns, *(_named(view, metric, "metric") for metric in node.metrics)]
        case ast.Enum():
            children = [
                _symbol(view, one.text, "", K.EnumMember, one.span, one.span) for one in node.constants
            ]
    return _symbol(view, node.name.text, kind, SYMBOL_KINDS[kind], node.name.span, node.span, children)


Named = ast.Stage | ast.Split | ast.Column | ast.Metric | ast.Relation | ast.Rule | ast.Forbid


def _named(view: View, node: Named, kind: str) -> types.DocumentSymbol:
    return _symbol(view, node.name.text, kind, SYMBOL_KINDS[kind], node.name.span, node.span)


def _items(view: View, items: Iterable[ast.KbItem]) -> Iterator[types.DocumentSymbol]:
    for item in items:
        match item:
            case ast.Relation():
                columns = ", ".join(column.name.text for column in item.columns)
                detail = f"{'derived' if item.derived else 'relation'} ({columns})"
                yield _symbol(view, item.name.text, detail, K.Struct, item.name.span, item.span)
            case ast.Rule():
                yield _symbol(view, item.name.text, "rule", K.Function, item.name.span, item.span)
            case ast.Forbid():
                yield _symbol(view, item.name.text, "forbid", K.Function, item.name.span, item.span)
            case ast.Facts():
                yield _symbol(view, item.relation.text, "facts", K.Array, item.relation.span, item.span)
            case _:
                continue


def _symbol(
    view: View,
    name: str,
    detail: str,
    kind: types.SymbolKind,
    at: Span,
    whole: Span,
    children: Iterable[types.DocumentSymbol | None] = (),
) -> types.DocumentSymbol:
    at, whole = view.known.loaded.place(at), view.known.loaded.place(whole)
    start, end = min(whole.start, at.start), max(whole.end, at.end)
    below = [child for child in children if child is not None]
    return types.DocumentSymbol(
        name, kind, view.range(start, end), view.range(at.start, at.end), detail or None, None, None, below
    )


def workspace_symbols(analyses: Iterable[Analysis], query: str) -> list[types.WorkspaceSymbol]:
    """The declarations whose names hold the letters of `query` in order, in any of the specs."""
    found: dict[tuple[str, str, int, int], types.WorkspaceSymbol] = {}
    for analysis in analyses:
        for symbol, location in _matching(analysis, analysis.index, query.lower()):
            start = location.range.start
            made = types.WorkspaceSymbol(
                location, symbol.name, SYMBOL_KINDS[symbol.kind], container_name=symbol.owner or None
            )
            found.setdefault((location.uri, symbol.name, start.line, start.character), made)
            if len(found) >= MOST:
                return list(found.values())
    return list(found.values())


def _matching(analysis: Analysis, index: Index, query: str) -> Iterator[tuple[SymbolId, types.Location]]:
    for symbol, declared in index.definitions.items():
        if symbol.kind in SYMBOL_KINDS and _subsequence(query, symbol.name.lower()):
            for one in declared:
                yield symbol, analysis.location(one.span)


def _subsequence(query: str, name: str) -> bool:
    letters = iter(name)
    return all(letter in letters for letter in query)


def folding_ranges(text: str, lines: Lines) -> list[types.FoldingRange]:
    """Brackets and text blocks over several lines, and runs of comment lines."""
    found: list[types.FoldingRange] = []
    open_: list[int] = []
    for match in _MARK.finditer(text):
        mark = match[0]
        if mark in "([{":
            open_.append(lines.position(match.start())[0])
        elif mark in ")]}":
            if open_:
                _fold(found, open_.pop(), lines.position(match.start())[0] - 1)
        elif mark.startswith('"'):
            _fold(found, lines.position(match.start())[0], lines.position(match.end())[0])
    begin: int | None = None
    for line in range(len(lines) + 1):
        start = lines.offset(line, 0)
        comment = line < len(lines) and text[start : lines.end_of(line)].lstrip().startswith("#")
        if comment and begin is None:
            begin = line
        elif not comment and begin is not None:
            _fold(found, begin, line - 1, types.FoldingRangeKind.Comment)
            begin = None
    return found


def _fold(
    found: list[types.FoldingRange], start: int, end: int, kind: types.FoldingRangeKind | None = None
) -> None:
    if end > start:
        found.append(types.FoldingRange(start, end, kind=kind))
