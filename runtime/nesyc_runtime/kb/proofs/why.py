"""`why`: the proofs of a fact, the best first, and what a constraint was broken by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice
from math import prod
from typing import Any

from nesyc_runtime.kb.proofs.best import rough
from nesyc_runtime.kb.proofs.graph import FactId, Graph, sentence
from nesyc_runtime.kb.proofs.lookups import add_lookups
from nesyc_runtime.kb.proofs.nodes import Node, Nodes, span
from nesyc_runtime.kb.proofs.slices import slice_below
from nesyc_runtime.kb.proofs.trees import Tree, Trees, leaves, parts_of
from nesyc_runtime.kb.storage.store import Store

LOOKED_AT = 200  # proofs of which the best are given, under top_proofs

Order = tuple[float, int, str, tuple[str, ...]]


def why(store: Store, relation: str, args: Sequence[Any], *, limit: int = 1000) -> dict[str, Any]:
    """The `why` object of the contracts; `limit` 0 is every proof.

    A candidate that lost under `unique ... resolve` does not hold: its proofs are given all the same, with the
    `winner`; of a winner the `losers` are named.
    """
    store.relation(relation)
    add_lookups(store, relation)
    graph = Graph(store)
    with store.reading():
        fact = graph.find(relation, args)
        if fact is None:
            told = {
                "relation": relation,
                "args": list(args),
                "text": sentence(store.declared[relation], args),
            }
            return {"v": 1, "fact": told, "holds": False, "conf": None, "proofs": [], "truncated": False}
        with slice_below(store, *fact) as brought:
            if brought:
                graph.execute = store.connection.execute
            return _explained(graph, fact, limit)


def _explained(graph: Graph, fact: FactId, limit: int) -> dict[str, Any]:
    proofs, truncated = ranked_proofs(graph, fact, limit)
    known = graph.fact(fact)
    wins = graph.wins(fact)
    nodes = Nodes(graph)
    answer: dict[str, Any] = {
        "v": 1,
        "fact": known.to_json(),
        "holds": wins,
        "conf": known.conf if wins else None,
        "proofs": [{"value": value, "tree": nodes.of(tree)} for value, tree in proofs],
        "truncated": truncated,
    }
    rivals = [graph.fact(rival) for rival in graph.rivals(fact)]
    if wins and rivals:
        answer["losers"] = [{"fact": rival.to_json(), "conf": rival.conf} for rival in rivals]
    elif not wins:
        winner = next(rival for rival in graph.rivals(fact) if graph.wins(rival))
        answer["winner"] = {"fact": graph.fact(winner).to_json(), "conf": graph.fact(winner).conf}
    return answer


def ranked_proofs(graph: Graph, fact: FactId, limit: int) -> tuple[list[tuple[float, Tree]], bool]:
    """Value and tree of up to `limit` proofs, ranked as `top_proofs` ranks; and whether there are more."""
    trees = Trees(graph)
    found = trees.of(fact)
    # trees come by the product along them, in which a leaf that stands twice counts twice: more are ranked than are given
    looked = max(limit, LOOKED_AT) if graph.store.program.semantics == "top_proofs" else limit
    listed = list(islice(found, looked)) if limit else list(found)
    more = trees.gave_up or (bool(limit) and (len(listed) > limit or next(found, None) is not None))
    graph.read(one.fact for one in parts_of(listed))
    valued = [(proof_value(graph, tree), tree) for tree in listed]
    if len(valued) > 1:
        instances: dict[int, object] = {}
        valued.sort(key=lambda one: _order(graph, one[0], one[1], instances))
    return valued[:limit] if limit else valued, more


def best_rule(store: Store, fact: FactId) -> str | None:
    """The last rule of a derived fact's best proof, None for a stored fact."""
    graph = Graph(store)
    if not graph.derived(fact):
        return None
    if store.program.semantics == "top_proofs":
        sql = 'SELECT rule FROM "nesyc.proof" WHERE relation = ? AND row = ? AND rank = 1'
        return str(store.execute(sql, fact).fetchone()[0])
    proofs, _ = ranked_proofs(graph, fact, 20)
    support = proofs[0][1].support if proofs else None
    return None if support is None else support.rule


def proof_value(graph: Graph, tree: Tree) -> float:
    """What a proof is worth: under top_proofs the product over its distinct leaves, else along the tree."""
    semantics = graph.store.program.semantics
    if semantics == "boolean":
        return 1.0
    if semantics == "top_proofs":
        return prod(sorted(leaves(graph, tree).values()))
    values = [one.support.weight if one.support else graph.conf(one.fact) for one in _walk(tree)]
    return min(values) if semantics == "max_min" else prod(values)


def _walk(tree: Tree) -> Iterator[Tree]:
    stack = [tree]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(one.parts)


def _order(graph: Graph, value: float, tree: Tree, instances: dict[int, object]) -> Order:
    """What a proof is ranked by; `instances` keeps, by its id, what makes a support the instance that it is."""
    facts, supports = [], []
    for one in _walk(tree):
        if one.support is None:
            facts.append(one.fact)
        else:
            supports.append(one.support)
    for support in supports:
        if id(support) not in instances:
            instances[id(support)] = support.leaf
    count = len(set(facts)) + len({instances[id(support)] for support in supports})
    rule = tree.support.rule if tree.support is not None else ""
    return -rough(value), count, rule, tuple(sorted(map(graph.written, facts)))


def violations(store: Store, *, limit: int = 100) -> list[dict[str, Any]]:
    """Every way a `forbid`, or a `unique` without `resolve`, is broken: its name, place and proof; `limit` 0 is all.

    With `at CONF` it is broken where the facts of its body together, as a rule of confidence 1 over them would make its head,
    reach that confidence.
    """
    graph = Graph(store)
    best = _BestNodes(graph)
    with store.reading():
        found = chain(_broken_constraints(graph, best), _broken_uniques(graph, best))
        return list(islice(found, limit)) if limit else list(found)


class _BestNodes:
    """Nodes of facts' best proofs, each made once."""

    def __init__(self, graph: Graph) -> None:
        self._trees = Trees(graph)
        self._found: dict[FactId, Tree] = {}
        self.nodes = Nodes(graph)

    def of(self, fact: FactId) -> Node:
        if fact not in self._found:
            # bare where the search, among very many facts, found none
            self._found[fact] = next(self._trees.of(fact), Tree(fact, None, ()))
        return self.nodes.of(self._found[fact])


def _broken_constraints(graph: Graph, best: _BestNodes) -> Iterator[dict[str, Any]]:
    declared = {constraint.name: constraint for constraint in graph.store.kb.constraints}
    for plan in graph.store.program.constraints:
        constraint = declared[plan.name]
        for support in graph.violations(plan):
            conf = graph.together(support.facts)
            if rough(conf) < (constraint.confidence or 0.0):
                continue
            parts = [best.of(fact) for fact in support.facts]
            yield {
                "name": plan.name,
                "span": span(constraint.location),
                "conf": conf,
                "bindings": {n: v for n, v in graph.bindings(support).items() if " " not in n},
                "facts": [graph.fact(fact).to_json() for fact in support.facts],
                "proof": best.nodes.children(constraint.body, support, parts),
            }


def _broken_uniques(graph: Graph, best: _BestNodes) -> Iterator[dict[str, Any]]:
    for name, relation in graph.store.declared.items():
        if relation.unique is None or relation.unique.resolve is not None:
            continue
        for pair in graph.equal_pairs(name, relation.unique.columns):
            yield {
                "name": f"unique of {name}",
                "span": span(relation.location),
                "conf": min(graph.fact(fact).conf for fact in pair),
                "bindings": {},
                "facts": [graph.fact(fact).to_json() for fact in pair],
                "proof": [best.of(fact) for fact in pair],
            }
