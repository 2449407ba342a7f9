"""Where comments may stand: before what can begin a line. Others move there, as little as their order allows."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.format.concrete import Child, Comment, Gap, Gaps, Node, sign

CHAINED = frozenset("or and + - * / %".split())
"""Operators that a line breaks before. Comparisons hold their sides together."""

_LISTS = frozenset(("file", "fragment_file", "annotated"))
_BODIES = {"rule": ":-", "forbid": ":", "aggregate": ":"}
_NAMES = frozenset(("report", "compare", "compare_with"))


def settle(kind: str, children: Sequence[Child], gaps: dict[int, Gap]) -> None:
    """Move comments that stand where no line can begin up to the last place where one can.

    Works from the leaves to the root: what finds no place in a node comes to stand before it.
    """
    for place in range(1, len(children)):
        gap = gaps.get(children[place].start)
        if gap is None or not gap.comments or begins_line(kind, children, place):
            continue
        anchor = gaps.setdefault(_anchor(kind, children, place, gaps), Gap())
        for comment in gap.comments:
            anchor.comments.append(Comment(comment.text, own=True, blank=anchor.blank))
            anchor.blank = False
        anchor.newline, gap.comments = True, []


def begins_line(kind: str, children: Sequence[Child], place: int) -> bool:
    """Whether the layouts begin a line for this child wherever the node is not printed as one line."""
    text, before = sign(children[place]), sign(children[place - 1])
    if kind in _LISTS or text in (")", "]") or before == ",":
        return True
    if before in ("(", "["):
        return kind != "aggregate"
    if kind in _BODIES:
        return before == _BODIES[kind] or _is_annotated(children, place)
    if kind == "binary":
        return text in CHAINED
    if kind in _NAMES:
        return place == 1 or (kind == "compare_with" and place == len(children) - 3)
    if sign(children[-1]) == "}":
        return any(sign(child) == "{" for child in children[:place]) or _is_annotated(children, place)
    return _is_annotated(children, place)


def _is_annotated(children: Sequence[Child], place: int) -> bool:
    first = children[0]
    return place == 1 and isinstance(first, Node) and first.kind == "annotated"


def _anchor(kind: str, children: Sequence[Child], place: int, gaps: Gaps) -> int:
    """The token that comments before `children[place]` move to: the last one that begins a line, and not
    above any comment that stands between.
    """
    for earlier in range(place - 1, 0, -1):
        child = children[earlier]
        inside = _last_commented(child, gaps)
        if inside is not None:
            return inside
        if begins_line(kind, children, earlier):
            return child.start
    inside = _last_commented(children[0], gaps)
    return children[0].start if inside is None else inside


def _last_commented(child: Child, gaps: Gaps) -> int | None:
    """The last token in the child, its first one aside, that has comments before it."""
    if not isinstance(child, Node):
        return None
    for place in range(len(child.children) - 1, -1, -1):
        part = child.children[place]
        inside = _last_commented(part, gaps)
        if inside is not None:
            return inside
        gap = gaps.get(part.start)
        if place and gap is not None and gap.comments:
            return part.start
    return None
