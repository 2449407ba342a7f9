"""What breaks in its own way: rules at their literals, expressions at their operators, lists of names."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.format.brackets import run, sequence
from nesyc.format.comments import CHAINED
from nesyc.format.concrete import Child, Node, sign
from nesyc.format.printer import STEP, Printer

_LEVELS = tuple(map(frozenset, (("or",), ("and",), "+-", "*/%")))


def annotated(printer: Printer, node: Node, tail: int) -> None:
    """Annotations before what they annotate, each on its own line."""
    for place, annotation in enumerate(node.children):
        if place:
            printer.new_line(annotation)
        printer.body(annotation)


def after_annotations(printer: Printer, node: Node) -> list[Child]:
    """Print the annotations of a node that has some; the rest of its children."""
    first = node.children[0]
    if not (isinstance(first, Node) and first.kind == "annotated"):
        return node.children
    printer.body(first)
    printer.new_line(node.children[1])
    return node.children[1:]


def facts_from(printer: Printer, node: Node, tail: int) -> None:
    """`facts p from csv("...")`, with annotations."""
    run(printer, node.kind, after_annotations(printer, node), tail)


def rule(printer: Printer, node: Node, tail: int) -> None:
    """The head, then one literal a line."""
    children = after_annotations(printer, node)
    if children is not node.children and printer.row(node.kind, children, tail):
        return
    mark = ":-" if node.kind == "rule" else ":"
    start = next(place for place, child in enumerate(children) if sign(child) == mark) + 1
    run(printer, node.kind, children[:start])
    printer.indent += STEP
    _body(printer, children[start:], tail)
    printer.indent -= STEP


def aggregate(printer: Printer, node: Node, tail: int) -> None:
    """`count(b:`, the literals one a line, `)`."""
    children = node.children
    printer.body(children[0])
    printer.body(children[1])
    printer.body(children[2], 1)
    printer.body(children[3])
    printer.indent += STEP
    _body(printer, children[4:-1], 0)
    printer.indent -= STEP
    printer.new_line(children[-1], inner=STEP)
    printer.write(")")


def _body(printer: Printer, children: Sequence[Child], tail: int) -> None:
    for child in children:
        if sign(child) in (",", ";"):
            printer.body(child)
        else:
            printer.new_line(child)
            printer.body(child, tail + 1)


def binary(printer: Printer, node: Node, tail: int) -> None:
    """A chain of operators of one precedence, broken before each; comparisons stay together."""
    operator = sign(node.children[1])
    if operator not in CHAINED:
        sequence(printer, node, tail)
        return
    level = next(level for level in _LEVELS if operator in level)
    first, *links = _chain(node, level)
    printer.body(first[0])
    printer.indent += STEP
    for link in links:
        printer.new_line(link[0])
        run(printer, "binary", link, tail)
    printer.indent -= STEP


def _chain(node: Node, level: frozenset[str]) -> list[Sequence[Child]]:
    """The first operand, then each operator with its operand. Not recursive: a chain may be long."""
    links: list[Sequence[Child]] = []
    left: Child = node
    while isinstance(left, Node) and left.kind == "binary" and sign(left.children[1]) in level:
        links.append(left.children[1:])
        left = left.children[0]
    return [[left], *reversed(links)]


def names(printer: Printer, node: Node, tail: int) -> None:
    """`report` and `compare`: the keyword, then one name a line, and `with = ...` on its own."""
    children = list(node.children)
    method: list[Child] = []
    if node.kind == "compare_with":
        children, method = children[:-3], children[-3:]
    printer.body(children[0])
    printer.indent += STEP
    for child in children[1:]:
        if sign(child) == ",":
            printer.body(child)
        else:
            printer.new_line(child)
            printer.body(child, 1)
    if method:
        printer.new_line(method[0])
        run(printer, node.kind, method, tail)
    printer.indent -= STEP
