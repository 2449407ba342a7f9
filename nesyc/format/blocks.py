"""Blocks: one item a line, groups kept apart, and neighbours of a kind lined up."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.format.align import alignment
from nesyc.format.brackets import run
from nesyc.format.concrete import Child, Gap, Node, flat, sign
from nesyc.format.printer import STEP, Printer
from nesyc.format.read import Source
from nesyc.format.shapes import after_annotations

_NONE = Gap()
_FILLED = frozenset(("enum", "facts"))


def file(printer: Printer, source: Source) -> None:
    """All of a file."""
    items = source.root.children
    _items(printer, items)
    printer.last_line(source.end, inner=0, first=not items)


def block(printer: Printer, node: Node, tail: int) -> None:
    """A head, and in braces the items, below each other."""
    children = after_annotations(printer, node)
    if children is not node.children and printer.row(node.kind, children, tail):
        return
    opener = next(place for place, child in enumerate(children) if sign(child) == "{")
    run(printer, node.kind, children[: opener + 1])
    items, closer = children[opener + 1 : -1], children[-1]
    printer.indent += STEP
    if node.kind in _FILLED:
        _filled(printer, items)
    else:
        _items(printer, items)
    printer.indent -= STEP
    printer.last_line(printer.gaps.get(closer.start, _NONE), inner=STEP, first=not items)
    printer.write("}")


def _items(printer: Printer, children: Sequence[Child]) -> None:
    """Items on lines of their own; the commas between them are left out."""
    items = [child for child in children if sign(child) != ","]
    printer.pads.update(alignment(items, printer.gaps))
    for item in items:
        printer.item_line(item, first=item is items[0])
        printer.item(item)


def _filled(printer: Printer, children: Sequence[Child]) -> None:
    """Constants and facts stay on the line they were written on, as far as it reaches."""
    items = [child for child in children if sign(child) != ","]
    alone = True
    for item in items:
        gap, text = printer.gaps.get(item.start, _NONE), flat(item)
        if alone or gap.newline or text is None or not printer.fits(" " + text, 0):
            printer.item_line(item, first=item is items[0])
        else:
            printer.write(" ")
        printer.body(item)
        alone = text is None
