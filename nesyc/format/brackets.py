"""Sequences and brackets: children side by side, and a bracket that does not fit opened one element a line."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.format.concrete import Child, Node, sign
from nesyc.format.one_line import between
from nesyc.format.printer import STEP, Printer
from nesyc.parsing.lexer import Token

_PAIRS = {"(": ")", "[": "]"}
# Where a comma may stand before the closing bracket: in an open bracket it then does.
_TRAILING = frozenset(
    "call annotation allow relation derived method key index fulltext unique nearest row inputs outputs"
    " disjunction fact_row list_of tuple_of".split()
)
_SPLICED = frozenset(("arguments", "method_params"))
_HUGGED = frozenset(("list_of", "map_of", "tuple_of"))


def sequence(printer: Printer, node: Node, tail: int) -> None:
    """A node without a layout of its own: its children one after the other."""
    run(printer, node.kind, node.children, tail)


def run(printer: Printer, kind: str, children: Sequence[Child], tail: int = 0) -> None:
    """Print children where the line stands; it breaks only within a bracket or a child."""
    children = _spliced(children)
    tails = _tails(kind, children, tail)
    place = 0
    while place < len(children):
        child = children[place]
        if place:
            printer.write(between(kind, children[place - 1], child))
        end = _closer(children, place)
        if end > place:
            _bracket(printer, kind, children[place : end + 1], tails[end])
        else:
            printer.body(child, tails[place])
        printer.pad(children[end])
        place = end + 1


def _spliced(children: Sequence[Child]) -> list[Child]:
    """Children, with a list of arguments in place of the node that holds them."""
    found: list[Child] = []
    for child in children:
        if isinstance(child, Node) and child.kind in _SPLICED:
            found += child.children
        else:
            found.append(child)
    return found


def _closer(children: Sequence[Child], place: int) -> int:
    """Where the bracket that opens at `place` closes; `place` itself where none opens."""
    wanted = _PAIRS.get(sign(children[place]))
    if wanted is None:
        return place
    return next(end for end in range(place + 1, len(children)) if sign(children[end]) == wanted)


def _tails(kind: str, children: Sequence[Child], tail: int) -> list[int]:
    """For each child, the columns that must follow it on its line, up to the next place for a break."""
    found = [tail] * len(children)
    for place in range(len(children) - 1, 0, -1):
        breaks, width = _lead(children[place])
        gap = len(between(kind, children[place - 1], children[place]))
        found[place - 1] = gap + width + (0 if breaks else found[place])
    return found


def _lead(child: Child) -> tuple[bool, int]:
    """Whether a line can break inside the child, and how wide it is before that."""
    if isinstance(child, Token):
        first, several, _ = child.text.partition("\n")  # a text of several lines ends this line by itself
        return bool(several) or child.text in ("(", "[", "{"), len(first.removesuffix("\r"))
    if child.flat is not None and "(" not in child.flat and "[" not in child.flat:
        return False, len(child.flat)
    width = 0
    for part in child.children:
        breaks, more = _lead(part)
        width += more
        if breaks:
            return True, width
    return False, width


def _bracket(printer: Printer, kind: str, children: Sequence[Child], tail: int) -> None:
    """`( ... )` or `[ ... ]` on one line, else one element a line."""
    opener, *inner, closer = children
    if printer.row(kind, children, tail):
        return
    printer.write(sign(opener))
    if _hugs(printer, kind, inner, closer):
        printer.body(inner[0], tail + 1)
    else:
        printer.indent += STEP
        elements = _elements(inner)
        for number, element in enumerate(elements, 1):
            comma = number < len(elements) or kind in _TRAILING
            printer.new_line(element[0])
            run(printer, kind, element, int(comma))
            if comma:
                printer.write(",")
        printer.indent -= STEP
        printer.new_line(closer, inner=STEP)
    printer.write(sign(closer))


def _elements(inner: Sequence[Child]) -> list[list[Child]]:
    """What stands between commas."""
    elements: list[list[Child]] = [[]]
    for child in inner:
        if sign(child) == ",":
            elements.append([])
        else:
            elements[-1].append(child)
    return [element for element in elements if element]


def _hugs(printer: Printer, kind: str, inner: Sequence[Child], closer: Child) -> bool:
    """Whether a call's only argument shares the call's brackets: `f([`, its items, `])`."""
    if kind != "call" or len(inner) != 1 or printer.commented(inner[0]) or printer.commented(closer):
        return False
    only = inner[0]
    return only.kind == "BLOCK" if isinstance(only, Token) else only.kind in _HUGGED
