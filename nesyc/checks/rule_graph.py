"""Which relation reads which, in which order they are computed, and the cycles that cannot be.

Strongly connected components by Tarjan's algorithm with an explicit stack: a chain of ten thousand
relations needs no deep recursion.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import atoms
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class Edge:
    """`head` reads `reads` in `rule`: `+` directly, `-` under `not`, `#` inside an aggregate."""

    head: str
    reads: str
    sign: str
    rule: ast.Rule
    span: Span


@dataclass(frozen=True, slots=True)
class Layer:
    """Relations evaluated together: a strongly connected component. `recursive`: it reads itself."""

    relations: tuple[str, ...]
    recursive: bool


def rule_edges(rules: Iterable[ast.Rule]) -> tuple[Edge, ...]:
    """Every atom of every body as an edge, in source order."""
    return tuple(edge for rule in rules for edge in edges_of(rule))


def edges_of(rule: ast.Rule) -> tuple[Edge, ...]:
    """Every atom of a body as an edge."""
    head = rule.head.relation.text
    return tuple(
        Edge(head, atom.relation.text, sign, rule, atom.relation.span) for atom, sign in atoms(rule.body)
    )


def layers(relations: Iterable[str], edges: Iterable[tuple[str, str]]) -> tuple[Layer, ...]:
    """The components of `relations` (edges to others are left out), what is read before what reads it."""
    names = tuple(relations)
    successors: dict[str, list[str]] = {name: [] for name in names}
    for head, reads in dict.fromkeys(edges):
        if head in successors and reads in successors:
            successors[head].append(reads)
    place = {name: number for number, name in enumerate(names)}
    found = []
    for component in _components(names, successors):
        members = tuple(sorted(component, key=place.__getitem__))
        recursive = len(members) > 1 or members[0] in successors[members[0]]
        found.append(Layer(members, recursive))
    return tuple(found)


def _components(names: tuple[str, ...], successors: Mapping[str, list[str]]) -> Iterator[list[str]]:
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for start in names:
        if start in number:
            continue
        work: list[tuple[str, Iterator[str]]] = [(start, iter(successors[start]))]
        number[start] = low[start] = len(number)
        stack.append(start)
        on_stack.add(start)
        while work:
            node, rest = work[-1]
            for other in rest:
                if other not in number:
                    number[other] = low[other] = len(number)
                    stack.append(other)
                    on_stack.add(other)
                    work.append((other, iter(successors[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], number[other])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == number[node]:
                    component = []
                    while True:
                        member = stack.pop()
                        on_stack.discard(member)
                        component.append(member)
                        if member == node:
                            break
                    yield component


def component_of(found: Iterable[Layer]) -> dict[str, int]:
    """The number of each relation's layer."""
    return {name: number for number, layer in enumerate(found) for name in layer.relations}


def check_cycles(scope: RuleScope, edges: Iterable[Edge], found: tuple[Layer, ...]) -> Iterator[Diagnostic]:
    """E0403 and E0404: one diagnostic for each cycle through `not`, an aggregate or `resolve`."""
    where = component_of(found)
    inside = [edge for edge in edges if edge.head in where and where[edge.head] == where.get(edge.reads, -1)]
    members: dict[int, list[Edge]] = {}
    for edge in inside:
        members.setdefault(where[edge.head], []).append(edge)
    for number, own in members.items():
        successors: dict[str, list[Edge]] = {}
        for edge in own:
            successors.setdefault(edge.head, []).append(edge)
        bad = [edge for edge in own if edge.sign != "+"]
        for edge in {(edge.head, edge.reads, edge.sign): edge for edge in reversed(bad)}.values():
            yield _through(edge, _path(edge.reads, edge.head, successors))
        yield from _through_resolve(scope, found[number], own, successors)


def _path(start: str, goal: str, successors: Mapping[str, list[Edge]]) -> list[Edge]:
    """A shortest way of edges from `start` to `goal`."""
    came: dict[str, Edge] = {}
    queue = deque([start])
    seen = {start}
    while queue:
        node = queue.popleft()
        if node == goal:
            break
        for edge in successors.get(node, ()):
            if edge.reads not in seen:
                seen.add(edge.reads)
                came[edge.reads] = edge
                queue.append(edge.reads)
    way: list[Edge] = []
    node = goal
    while node != start:
        way.append(came[node])
        node = came[node].head
    return way[::-1]


_WORDS = {"+": "", "-": "not ", "#": "aggregate over "}


def _through(edge: Edge, way: list[Edge]) -> Diagnostic:
    steps = [edge, *way]
    cycle = " -> ".join([edge.head, *(f"{_WORDS[step.sign]}{step.reads}" for step in steps)])
    what = "negation" if edge.sign == "-" else "an aggregate"
    return Diagnostic(
        "E0403" if edge.sign == "-" else "E0404",
        f"`{edge.head}` depends on itself through {what}",
        edge.span,
        label=f"`{edge.reads}` must be finished before `{edge.head}` can be computed",
        related=tuple(Related(step.span, f"`{step.head}` reads `{step.reads}` here") for step in way[:4]),
        notes=(f"the cycle: {cycle}",),
        help=Help(f"break the cycle: let `{edge.head}` read something that does not depend on it"),
    )


def _through_resolve(
    scope: RuleScope, layer: Layer, own: list[Edge], successors: Mapping[str, list[Edge]]
) -> Iterator[Diagnostic]:
    """A relation that others of its own cycle read has no winners yet; its own rules may take candidates."""
    for name in layer.relations:
        info = scope.relations.get(name)
        if info is None or info.resolve is None or len(layer.relations) == 1:
            continue
        edge = next(edge for edge in own if edge.reads == name and edge.head != name)
        way = _path(edge.reads, edge.head, successors)
        if any(step.sign != "+" for step in (edge, *way)):
            continue  # reported as a cycle through negation or an aggregate
        cycle = " -> ".join([edge.head, *(step.reads for step in (edge, *way))])
        yield Diagnostic(
            "E0404",
            f"`{edge.head}` depends on itself through `resolve` of `{name}`",
            edge.span,
            label=f"the winners of `{name}` are not known yet",
            related=(Related(info.span, f"`{name}` resolves here"),) if info.span else (),
            notes=(f"the cycle: {cycle}",),
            help=Help(
                f"read the candidates from a relation without `unique ... resolve`, and derive `{name}` from it"
            ),
        )
