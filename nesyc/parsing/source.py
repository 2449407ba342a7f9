"""A source file as parsed, and parsed again after an edit without reading what the edit did not touch.

What is read anew is a *window*: the items of a KB around the edit, and one more on each side. Before it the parser
stands between two items, and behind it too if the last item is found again where it was: everything else
is then parsed as before, token for token. Any doubt (a syntax error, an edit elsewhere) reads the whole file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.layout import Layout
from nesyc.parsing.context import Context
from nesyc.parsing.lalr import Stuck, TooDeep
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.mistakes import repair_tokens
from nesyc.parsing.parse import parse_file
from nesyc.parsing.run import run
from nesyc.syntax import nodes


@dataclass(frozen=True, slots=True)
class Source:
    """`text` as it is now; the spans of `file` point into `buffer`, which `layout` maps to `text`.

    The places of `diagnostics` are those of `text`.
    """

    text: str
    buffer: str
    layout: Layout
    file: nodes.File
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_edited(self) -> bool:
        """Whether only a part was parsed again, so that spans need `layout`."""
        return self.buffer is not self.text


def parse_source(path: str, text: str) -> Source:
    """The file, parsed as a whole."""
    parsed = parse_file(path, text)
    return Source(text, text, Layout.whole(len(text)), parsed.file, parsed.diagnostics)


def parse_again(known: Source, text: str) -> Source:
    """The file as it is now, `known` being an earlier state of it: what `parse_source` gives, but for the places of nodes."""
    if text == known.text:
        return known
    edit = _edit(known.text, text)
    # Stretches that are no longer used make the buffer grow; from time to time it starts again.
    if known.diagnostics or len(known.buffer) > 2 * len(text) + 100_000:
        return parse_source(known.file.path, text)
    return _with_items(known, text, edit) or parse_source(known.file.path, text)


@dataclass(frozen=True, slots=True)
class _Edit:
    """`[start, end)` of the old text became `[start, end + growth)` of the new one; all else is equal."""

    start: int
    end: int
    growth: int


def _edit(old: str, new: str) -> _Edit:
    shorter = min(len(old), len(new))
    start = bisect_left(range(1, shorter + 1), True, key=lambda size: old[:size] != new[:size])
    rest = shorter - start
    end = bisect_left(range(1, rest + 1), True, key=lambda size: old[-size:] != new[-size:])
    return _Edit(start, len(old) - end, len(new) - len(old))


Items = tuple[nodes.KbItem, ...]


@dataclass(frozen=True, slots=True)
class _Block:
    """Items of a KB that stand in `[start, end)` of the text; `head` are the tokens before, `closer` the one behind."""

    head: tuple[tuple[str, str], ...]
    items: Items
    start: int
    end: int
    closer: str


def _with_items(known: Source, text: str, edit: _Edit) -> Source | None:
    """`known` with the items of one KB read anew; None where the edit is not among them."""
    file = known.file
    if file.fragment_of is not None:
        found = _replaced(known, text, edit, _fragment_block(known, file, file.fragment_of))
        if found is None:
            return None
        source, items = found
        return replace(source, file=replace(file, fragment_items=items))
    for place, node in enumerate(file.declarations):
        block = _kb_block(known, node, edit) if isinstance(node, nodes.Kb) else None
        found = _replaced(known, text, edit, block) if block is not None else None
        if found is not None and isinstance(node, nodes.Kb):
            source, items = found
            declarations = (
                *file.declarations[:place],
                replace(node, items=items),
                *file.declarations[place + 1 :],
            )
            return replace(source, file=replace(file, declarations=declarations))
    return None


def _fragment_block(known: Source, file: nodes.File, name: nodes.Ident) -> _Block:
    head = (("FRAGMENT", "fragment"), ("OF", "of"), ("NAME", name.text))
    return _Block(head, file.fragment_items, known.layout.place(name.span).end, len(known.text), "")


def _kb_block(known: Source, kb: nodes.Kb, edit: _Edit) -> _Block | None:
    whole, name = known.layout.place(kb.span), known.layout.place(kb.name.span)
    if not (name.end < edit.start and edit.end < whole.end):
        return None
    brace = known.text.find("{", name.end, edit.start)
    if brace < 0 or known.text[name.end : brace].strip():  # a comment stands before it
        return None
    head = (("KB", "kb"), ("NAME", kb.name.text), ("LBRACE", "{"))
    return _Block(head, kb.items, brace + 1, whole.end - 1, "}")


def _replaced(known: Source, text: str, edit: _Edit, block: _Block) -> tuple[Source, Items] | None:
    """`known` with the window around the edit appended to its buffer, and the block's items with those of the window."""
    if not (block.start < edit.start and edit.end < block.end + (not block.closer)):
        return None
    layout, items = known.layout, block.items
    first = bisect_right(items, edit.start, key=lambda item: layout.place(item.span).end)
    last = bisect_left(items, edit.end, key=lambda item: layout.place(item.span).start)
    before = items[first - 1] if first else None
    after = items[last] if last < len(items) else None
    start = layout.place(before.span).start if before else block.start
    end = layout.place(after.span).end if after else block.end
    window = text[start : end + edit.growth]
    origin = len(known.buffer) + 1
    buffer = f"{known.buffer}\n{window}{'' if after else block.closer}"
    read = _read_window(known.file.path, buffer, origin, block, closed=after is None)
    if read is None or (after is not None and not _is_found_again(after, read, layout, origin + len(window))):
        return None
    source = Source(text, buffer, layout.replaced(start, end, origin, len(window)), known.file, ())
    return source, (*items[: max(0, first - 1)], *read, *items[last + 1 :])


def _is_found_again(item: nodes.KbItem, read: Items, layout: Layout, end: int) -> bool:
    """Whether the last item read is the one that stood there before."""
    span = layout.place(item.span)
    return bool(read) and read[-1].span.end == end and read[-1].span.start == end - (span.end - span.start)


def _read_window(path: str, buffer: str, origin: int, block: _Block, *, closed: bool) -> Items | None:
    """The items in `buffer[origin:]`; None where anything is wrong with them."""
    tokens, problems = repair_tokens(path, buffer, tokenize(buffer, origin))
    head = [Token(kind, word, origin, origin) for kind, word in block.head]
    tail = [Token("RBRACE", "}", len(buffer), len(buffer))] if block.closer and not closed else []
    context = Context(path)
    try:
        file: nodes.File = run("file", [*head, *tokens, *tail], context)
    except (Stuck, TooDeep):
        return None
    if problems or context.problems:
        return None
    if not block.closer:
        return file.fragment_items
    kb = file.declarations[0]
    return kb.items if len(file.declarations) == 1 and isinstance(kb, nodes.Kb) else None
