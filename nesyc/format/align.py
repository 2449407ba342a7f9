"""Which items of a block line up, and how many blanks that takes.

Within a group (items with no empty line, annotation or text of several lines between them) each
kind of item has stops, the places that stand below each other: `=` of settings, heads of rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from nesyc.format.concrete import Child, Gaps, Node, flat
from nesyc.format.one_line import join
from nesyc.parsing.lexer import Token

LONGEST = 32
"""A wider cell stands out of line, so that one long name does not push all its neighbours away."""

# The children after which an item is padded, each with the name of the stop: equal names line up.
_STOPS: dict[str, tuple[tuple[int, str], ...]] = {
    "param": ((3, "param"),),
    "setting": ((0, "setting"),),
    "split": ((1, "split"),),
    "stage": ((1, "stage"),),
    "say": ((1, "say"),),
    "facts": ((1, "facts"),),
    "loaded_facts": ((1, "facts"),),
    "relation": ((0, "relation"),),
    "derived": ((0, "relation"),),
    "inputs": ((0, "field"),),
    "outputs": ((0, "field"),),
    "claim": ((0, "field"),),
    "prompt": ((0, "field"),),
    "parse": ((0, "field"), (1, "field =")),
    "metric": ((0, "field"), (1, "field =")),
}


def alignment(items: Sequence[Child], gaps: Gaps) -> dict[int, int]:
    """The blanks to put after some of the items' children, by their `id`."""
    pads: dict[int, int] = {}
    for group in _groups(items, gaps):
        cells: dict[str, list[tuple[int, int]]] = {}
        for item in group:
            for child, stop, width in _cells(item):
                if width <= LONGEST:
                    cells.setdefault(stop, []).append((id(child), width))
        for column in cells.values():
            widest = max(width for _, width in column)
            pads.update((child, widest - width) for child, width in column if width < widest)
    return pads


def _groups(items: Sequence[Child], gaps: Gaps) -> Iterator[list[Node]]:
    group: list[Node] = []
    for item in items:
        if isinstance(item, Token):
            continue
        gap = gaps.get(item.start)
        apart = gap is not None and (gap.blank or any(comment.blank for comment in gap.comments))
        if group and (apart or _annotated(item)):
            yield group
            group = []
        group.append(item)
        if _has_tall_text(item):
            yield group
            group = []
    if group:
        yield group


def _annotated(item: Node) -> bool:
    first = item.children[0]
    return isinstance(first, Node) and first.kind == "annotated"


def _has_tall_text(node: Node) -> bool:
    return node.flat is None and any(
        flat(child) is None if isinstance(child, Token) else _has_tall_text(child) for child in node.children
    )


def _cells(item: Node) -> Iterator[tuple[Child, str, int]]:
    """The children to pad after, the stops they lead to, and the width of what stands before each."""
    children = item.children[1:] if _annotated(item) else item.children
    start = 0
    for end, stop in _stops(item, children):
        cell = children[start : end + 1]
        if any(flat(child) is None for child in cell):
            return
        yield children[end], stop, len(join(item.kind, cell))
        start = end + 1


def _stops(item: Node, children: Sequence[Child]) -> tuple[tuple[int, str], ...]:
    if item.kind in ("rule", "forbid"):
        colon = next(place for place, child in enumerate(children) if flat(child) == ":")
        return ((colon, "rule"),)
    if item.kind == "param" and len(children) == 4:
        return ()  # no value
    return _STOPS.get(item.kind, ())
