"""What each name is, so that an editor can colour it: soft keywords used as names among them."""

from __future__ import annotations

from collections.abc import Iterator

from lsprotocol import types

from nesyc.server.view import View

KINDS = {
    "enum": "enum", "constant": "enumMember", "relation": "class", "column": "property", "field": "property",
    "input": "property", "output": "property", "variable": "variable", "param": "parameter",
    "parameter": "parameter", "rule": "function", "metric": "function", "method": "function", "kb": "namespace",
    "pipeline": "namespace", "dataset": "namespace", "stage": "event", "split": "event", "teacher": "struct",
    "student": "struct", "embedder": "struct", "task": "struct", "retrieve": "struct", "evaluate": "struct",
}  # fmt: skip
TYPES = tuple(dict.fromkeys(KINDS.values()))
MODIFIERS = ("declaration", "defaultLibrary")
LEGEND = types.SemanticTokensLegend(list(TYPES), list(MODIFIERS))


def semantic_tokens(view: View, range_: types.Range | None = None) -> types.SemanticTokens:
    """The names of a file, or of a part of it, in the protocol's relative form."""
    first = view.offset(range_.start) if range_ is not None else 0
    last = view.offset(range_.end) if range_ is not None else len(view.text)
    data: list[int] = []
    line = character = 0
    for start, end, kind, modifier in sorted(_names(view)):
        if end < first or start > last:
            continue
        at, column = view.lines.position(start)
        size = view.lines.units(view.text[start:end])
        data += [at - line, column - character if at == line else column, size, kind, modifier]
        line, character = at, column
    return types.SemanticTokens(data)


def _names(view: View) -> Iterator[tuple[int, int, int, int]]:
    """(start, end, type, modifiers) of every name; what the language has built in is not taken twice."""
    taken = set()
    for one in view.index.by_file.get(view.file, ()):
        taken.add(one.span.start)
        kind = TYPES.index(KINDS[one.symbol.kind])
        yield one.span.start, one.span.end, kind, 1 if one.is_definition else 0
    for built_in in view.index.built_ins.get(view.file, ()):
        if built_in.span.start not in taken:
            kind = TYPES.index("function" if built_in.parameter is None else "property")
            yield built_in.span.start, built_in.span.end, kind, 2
