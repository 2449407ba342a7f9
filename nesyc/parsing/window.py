"""Reads the part of a file that an edit touched: a *window* of one KB's items.

In it are the items around the edit and one more on each side. Before it the parser stands between two items, and
behind it too if the last item is found again where it was: everything else is then parsed as before, token for token.
Any doubt (an edit elsewhere, a brace too many) is left to a parse of the whole file.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace

from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.layout import Layout, moved
from nesyc.parsing.broken import read_broken
from nesyc.parsing.context import Context
from nesyc.parsing.lalr import Stuck, TooDeep
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.mistakes import repair_tokens
from nesyc.parsing.run import run
from nesyc.parsing.source import Edit, Source
from nesyc.parsing.tidy import is_cut_alike, is_tidy
from nesyc.syntax import nodes

Items = tuple[nodes.KbItem, ...]
FURTHER = (0, 1, 4)
"""So many items more are tried at the window's end: an annotation or a string left open takes the next item with it."""


@dataclass(frozen=True, slots=True)
class _Block:
    """The items of `kb` (None: of a fragment) in `[start, end)` of the text; `head` opens the block, `closer` ends it."""

    kb: nodes.Kb | None
    head: str
    items: Items
    start: int
    end: int
    closer: str


def read_window(known: Source, text: str, edit: Edit) -> Source | None:
    """`known`, which has no mistake, with the items of one KB read anew; None where the edit is not among them."""
    file = known.file
    if file.fragment_of is not None:
        return _replaced(known, text, edit, _fragment_block(known, file, file.fragment_of))
    for node in file.declarations:
        block = _kb_block(known, node, edit) if isinstance(node, nodes.Kb) else None
        if block is not None:
            return _replaced(known, text, edit, block)
    return None


def _with_items(file: nodes.File, block: _Block, items: Items) -> nodes.File:
    kb = block.kb
    if kb is None:
        return replace(file, fragment_items=items)
    changed = replace(kb, items=items)
    return replace(file, declarations=tuple(changed if node is kb else node for node in file.declarations))


def _fragment_block(known: Source, file: nodes.File, name: nodes.Ident) -> _Block:
    start = known.layout.place(name.span).end
    return _Block(None, f"fragment of {name.text}\n", file.fragment_items, start, len(known.text), "")


def _kb_block(known: Source, kb: nodes.Kb, edit: Edit) -> _Block | None:
    whole, name = known.layout.place(kb.span), known.layout.place(kb.name.span)
    if not (name.end < edit.start and edit.end < whole.end):
        return None
    brace = known.text.find("{", name.end, edit.start)
    if brace < 0 or known.text[name.end : brace].strip():  # a comment stands before it
        return None
    return _Block(kb, f"kb {kb.name.text} {{\n", kb.items, brace + 1, whole.end - 1, "}")


def _replaced(known: Source, text: str, edit: Edit, block: _Block) -> Source | None:
    """`known` with a window around the edit read anew: a small one, or where that does not do a larger one."""
    if not (block.start < edit.start and edit.end < block.end + (not block.closer)):
        return None
    layout, items = known.layout, block.items
    first = bisect_right(items, edit.start, key=lambda item: layout.place(item.span).end)
    last = bisect_left(items, edit.end, key=lambda item: layout.place(item.span).start)
    tried = (_with_window(known, text, edit, block, first - 1, last + more) for more in FURTHER)
    return next((found for found in tried if found is not None), None)


def _with_window(known: Source, text: str, edit: Edit, block: _Block, first: int, last: int) -> Source | None:
    """The window from item `first` to item `last`, or to the ends of the block, appended to the buffer and read."""
    layout, items = known.layout, block.items
    start = layout.place(items[first].span).start if first >= 0 else block.start
    after = items[last] if last < len(items) else None
    end = layout.place(after.span).end if after else block.end
    window = text[start : end + edit.growth]
    # Layout means something to recovery: what stands before the window on its line is there to be seen, not read.
    lead = known.text[known.text.rfind("\n", 0, start) + 1 : start]
    closer = block.closer if after is None or not block.closer else f"\n{block.closer}"
    head = len(known.buffer) + 1
    origin = head + len(block.head) + len(lead)
    buffer = f"{known.buffer}\n{block.head}{lead}{window}{closer}"
    begin = origin + len(window) - layout.size(after.span) if after else None
    raw = [*tokenize(buffer, head, head + len(block.head)), *tokenize(buffer, origin)]
    read = _read(known, buffer, raw, begin)
    if read is None or (after is not None and not _is_found_again(after, read.items, begin, layout)):
        return None
    layout = layout.replaced(start, end, origin, len(window))
    file = _with_items(known.file, block, (*items[: max(0, first)], *read.items, *items[last + 1 :]))
    placed = (moved(problem, layout.place) for problem in read.problems)
    problems = tuple(sorted(placed, key=lambda problem: problem.span.start))
    sound = replace(known, is_tidy=read.is_tidy) if problems else None
    return Source(text, buffer, layout, file, problems, sound, read.is_tidy and not problems)


def _is_found_again(item: nodes.KbItem, read: Items, begin: int | None, layout: Layout) -> bool:
    """Whether the last item read is the one that stood there before."""
    assert begin is not None
    return bool(read) and (read[-1].span.start, read[-1].span.end) == (begin, begin + layout.size(item.span))


@dataclass(frozen=True, slots=True)
class _Read:
    """The items of a window and what is wrong with it; `is_tidy`: with it the whole file is known to be tidy."""

    items: Items
    problems: tuple[Diagnostic, ...]
    is_tidy: bool


def _read(known: Source, buffer: str, raw: list[Token], after: int | None) -> _Read | None:
    """The window in `buffer`, its tokens between the head and the closer of its block; its last item begins at `after`."""
    path = known.file.path
    tokens, problems = repair_tokens(path, buffer, raw)
    closer = ("RBRACE", "}", len(buffer) - 1, len(buffer))
    if known.file.fragment_of is None and not raw[-1] == tokens[-1] == closer:
        return None  # a comment, ours or another language's, or an open string takes the brace and what follows it
    context = Context(path)
    try:
        file: nodes.File = run("file", tokens, context)
    except (Stuck, TooDeep) as error:
        if not known.is_tidy and not is_tidy(known):
            return None
        stuck = error.index if isinstance(error, Stuck) else len(tokens)
        recovered = read_broken(path, buffer, tokens, stuck, problems, after)
        return _Read(recovered[0].items, recovered[1], True) if recovered is not None else None
    found = (*problems, *context.problems)
    tidy = known.is_tidy and not found and is_cut_alike(buffer, tokens, file, Layout.whole(len(buffer)))
    if file.fragment_of is not None:
        return _Read(file.fragment_items, found, tidy)
    kb = file.declarations[0]
    if len(file.declarations) > 1 or not isinstance(kb, nodes.Kb):
        return None
    return _Read(kb.items, found, tidy)
