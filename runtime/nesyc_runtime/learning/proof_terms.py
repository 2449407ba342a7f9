"""Proofs of facts as sums of products of rule confidences, the form in which gradients are taken.

The probability of a fact is a sum (`top_proofs`: inclusion and exclusion over its leaf sets) or the greatest
(`max_product`: over its best proofs) of terms: a sign, what is fixed, and how often each rule takes part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice
from math import prod

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.graph import FactId, Graph
from nesyc_runtime.kb.proofs.trees import Tree, Trees
from nesyc_runtime.kb.rules.storedsets import StoredSets, load_sets
from nesyc_runtime.kb.storage.store import Store

PROOFS = 10  # proofs of a fact under max_product among which the best may change while weights move

SUMS = {"top_proofs": True, "max_product": False}


@dataclass(frozen=True, slots=True)
class Term:
    """`sign * known * product of weight[rule] ** counts[rule]`, for the fact at this place of the list."""

    fact: int
    sign: float
    known: float
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a list of facts. `sums`: they add up, else the greatest counts. `caps`: what no fact exceeds."""

    terms: tuple[Term, ...]
    caps: tuple[float, ...]
    sums: bool


def proof_terms(store: Store, facts: Sequence[FactId | None], rules: frozenset[str]) -> Terms:
    """The terms of facts of an evaluated store in the weights of `rules`; a fact that does not hold has none.

    Raises `UserError` under a semantics that has no gradient.
    """
    semantics = store.program.semantics
    if semantics not in SUMS:
        raise UserError(
            f"weights cannot be fitted under `{semantics}`: it does not say how much a rule counts",
            "declare `semantics = max_product` or `semantics = top_proofs(k = 3)` in the kb",
        )
    terms: list[Term] = []
    caps: list[float] = []
    of_one = _of_sets if semantics == "top_proofs" else _of_trees
    for number, fact in enumerate(facts):
        found, cap = of_one(store, fact, rules) if fact is not None else ((), 1.0)
        terms += [Term(number, sign, known, counts) for sign, known, counts in found]
        caps.append(cap)
    return Terms(tuple(terms), tuple(caps), SUMS[semantics])


Found = Sequence[tuple[float, float, Mapping[str, int]]]


def _of_sets(store: Store, fact: FactId, rules: frozenset[str]) -> tuple[Found, float]:
    """Inclusion and exclusion: one term for each choice of leaf sets, over the leaves they have together."""
    sets = load_sets(store, [fact])
    own = sets.of[fact]
    found = [
        (1.0 if size % 2 else -1.0, *_product(frozenset().union(*chosen), sets, rules))
        for size in range(1, len(own) + 1)
        for chosen in combinations(own, size)
    ]
    return found, min((sets.caps[leaf] for leaf in own[0]), default=1.0)


def _product(
    leaves: frozenset[int], sets: StoredSets, rules: frozenset[str]
) -> tuple[float, Mapping[str, int]]:
    learned = [leaf for leaf in leaves if sets.instances.get(leaf) in rules]
    fixed = prod(sorted(sets.confidences[leaf] for leaf in leaves.difference(learned)))
    return fixed, Counter(sets.instances[leaf] for leaf in learned)


def _of_trees(store: Store, fact: FactId, rules: frozenset[str]) -> tuple[Found, float]:
    graph = Graph(store)
    return [_along(graph, tree, rules) for tree in islice(Trees(graph).of(fact), PROOFS)], 1.0


def _along(graph: Graph, tree: Tree, rules: frozenset[str]) -> tuple[float, float, Mapping[str, int]]:
    known, counts = 1.0, Counter[str]()
    for one in _walk(tree):
        if one.support is None:
            known *= graph.conf(one.fact)
        elif one.support.rule in rules:
            counts[one.support.rule] += 1
        else:
            known *= one.support.weight
    return 1.0, known, counts


def _walk(tree: Tree) -> Iterator[Tree]:
    stack = [tree]
    while stack:
        one = stack.pop()
        yield one
        stack.extend(one.parts)
