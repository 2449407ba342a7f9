"""Proof trees as the NODE objects of the contracts. Equal parts of the trees of one answer are one object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.proofs.graph import FactId, Graph, Support, literal_at, term_value
from nesyc_runtime.kb.proofs.trees import Tree, leaves
from nesyc_runtime.kb.storage.program import VariantPlan

Node = dict[str, Any]


class Nodes:
    """Makes nodes of trees, each part of them once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._semantics = graph.store.program.semantics
        # by the id of a tree: its node, what it is worth, and the tree, so that no other gets its id
        self._made: dict[int, tuple[Node, float, Tree]] = {}
        # by the id of a tree: its leaves, until a larger tree takes them for its own
        self._below: dict[int, dict[object, float]] = {}
        self._facts: dict[FactId, Node] = {}
        self._heads: dict[str, Node] = {}
        self._orders: dict[int, tuple[int, ...] | None] = {}  # by the id of a variant

    def of(self, tree: Tree) -> Node:
        """The node of a tree; made from the leaves up, however deep it is."""
        made, stack = self._made, [tree]
        while stack:
            one = stack[-1]
            missing = [part for part in one.parts if id(part) not in made]
            if missing:
                stack.extend(missing)
                continue
            stack.pop()
            if id(one) not in made:
                made[id(one)] = (*self._node(one), one)
        return made[id(tree)][0]

    def _node(self, tree: Tree) -> tuple[Node, float]:
        support = tree.support
        if support is None:
            known = self._graph.fact(tree.fact)
            return {
                "kind": "fact", "fact": self._fact(tree.fact), "conf": known.conf, "rule": None, "span": None,
                "origin": known.origin, "children": [],
            }, known.conf  # fmt: skip
        parts = [self._made[id(part)] for part in tree.parts]
        value = 1.0
        if self._semantics == "top_proofs":
            value = self._by_leaves(tree, support)
        elif self._semantics != "boolean":
            values = [support.weight, *(value for _, value, _ in parts)]
            value = min(values) if self._semantics == "max_min" else prod(values)
        head = self._heads.get(support.rule) or self._head(support.rule)
        below = self.children(self._graph.rules[support.rule].body, support, [node for node, *_ in parts])
        return {
            "kind": "rule", "fact": self._fact(tree.fact), "conf": value, **head, "children": below,
            "weight": support.weight,
        }, value  # fmt: skip

    def _by_leaves(self, tree: Tree, support: Support) -> float:
        """The product over the distinct leaves below, from that of the largest part: its leaves become the tree's own."""
        below = [(self._below.pop(id(part), {}) or leaves(self._graph, part), part) for part in tree.parts]
        own: dict[object, float] = {}
        value = 1.0
        if below:
            own, part = max(below, key=lambda one: len(one[0]))
            value = self._made[id(part)][1]
        last: dict[object, float] = {support.leaf: support.weight}
        for found in (*(found for found, _ in below), last):
            for leaf, conf in found.items():
                if leaf not in own:
                    own[leaf] = conf
                    value *= conf
        self._below[id(tree)] = own
        return value

    def _fact(self, fact: FactId) -> Node:
        found = self._facts.get(fact)
        if found is None:
            found = self._facts[fact] = self._graph.fact(fact).to_json()
        return found

    def _head(self, name: str) -> Node:
        """What the nodes of a rule have in common."""
        rule = self._graph.rules[name]
        origin = {"by": rule.origin, "source": f"{rule.location.file}:{rule.location.line}"}
        self._heads[name] = {"rule": name, "span": span(rule.location), "origin": origin}
        return self._heads[name]

    def children(
        self, body: Sequence[config.BodyLiteral], support: Support, parts: Sequence[Node]
    ) -> list[Node]:
        """A node for each literal of the body, in the order written; `parts` are those of its atoms."""
        variant = support.variant
        if id(variant) not in self._orders:
            self._orders[id(variant)] = _order(variant)
        order = self._orders[id(variant)]
        if order is not None:
            return [parts[place] for place in order]
        by_path = {atom.path: node for atom, node in zip(variant.atoms, parts, strict=True)}
        bindings = self._graph.bindings(support)
        return [
            by_path[path] if path in by_path else _test_node(literal_at(body, path), bindings)
            for path in variant.literals
        ]


def _order(variant: VariantPlan) -> tuple[int, ...] | None:
    """The places of a body's literals among its atoms; None where some are no atoms."""
    places = {atom.path: place for place, atom in enumerate(variant.atoms)}
    if len(places) < len(variant.literals):
        return None
    return tuple(places[path] for path in variant.literals)


def _test_node(literal: config.BodyLiteral, bindings: Mapping[str, Any]) -> Node:
    """A literal that is no positive atom: that nothing matches, a number over a set, a comparison."""
    fact = None
    kind = "compare"
    if isinstance(literal, config.AtomLiteral):
        kind = "absent"
        args = [term_value(term, bindings) for term in literal.terms]
        fact = {"relation": literal.relation, "args": args, "text": None}
    elif isinstance(literal, config.AggregateLiteral):
        kind = "aggregate"
    named = {name: value for name, value in bindings.items() if name in _named(literal)}
    return {
        "kind": kind, "fact": fact, "conf": 1.0, "rule": None, "span": span(literal.location), "origin": None,
        "children": [], "literal": literal.text, "bindings": named,
    }  # fmt: skip


def _named(literal: config.BodyLiteral | config.Term) -> set[str]:
    """The variables a literal mentions."""
    match literal:
        case config.Var():
            return {literal.name} if literal.name else set()
        case config.Apply():
            return set().union(*map(_named, literal.arguments))
        case config.AtomLiteral():
            return set().union(*map(_named, literal.terms))
        case config.CompareLiteral():
            return _named(literal.left) | _named(literal.right)
        case config.KnownLiteral():
            return {literal.variable}
        case config.AggregateLiteral():
            return {*literal.groups, *_named(literal.result)}
        case _:
            return set()


def span(location: config.Location) -> dict[str, Any]:
    """The SPAN of the contracts."""
    return location.model_dump()
