"""Weights of rules learned from labelled facts, by gradient descent through the facts' proofs.

The proofs at the weights so far give each fact's probability as a formula; its cross-entropy with the label is brought
down (Adam, all labels at once); the proofs at the new weights are found; and so on until the weights stay. (Learning
through top-k proofs as in Scallop, Huang et al. 2021.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.graph import Graph
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.learning.proof_terms import Terms, proof_terms

if TYPE_CHECKING:
    import torch

ROUNDS = 30  # times the proofs are found anew
STEPS = 150  # of descent between them
RATE = 0.05
STILL = 1e-3  # a change of weights below which they have come to rest
LEAST = 1e-3  # no weight falls to nothing: a rule without confidence could never be learned back
EDGE = 1e-6  # probabilities are kept this far from 0 and 1 in the loss


class Compiler(Protocol):
    """What fitting needs of the compiler: the same KB with other confidences of rules."""

    def reweighted(self, weights: Mapping[str, float]) -> tuple[Any, Any]:
        """The KB and its rule program, as JSON values."""
        ...


@dataclass(frozen=True, slots=True)
class Label:
    """That a fact holds with probability `value` (1: it does, 0: it does not), said `times` times."""

    relation: str
    args: tuple[Any, ...]
    value: float
    times: int = 1


@dataclass(frozen=True, slots=True)
class Fitted:
    """Weights by rule before and after, losses (mean cross-entropy, in nats), and how many labels have a proof."""

    before: Mapping[str, float]
    after: Mapping[str, float]
    loss_before: float
    loss_after: float
    covered: int
    rounds: int


def fit_weights(store: Store, compiler: Compiler, labels: Sequence[Label], rules: Sequence[str]) -> Fitted:
    """Learn the weights of `rules`; the store is not changed.

    Raises `UserError` where there is nothing to learn from: no labels, no rules, no label with a proof.
    """
    caps = _caps(store, rules)
    if not labels:
        raise UserError(
            "there are no labelled facts", "give at least one fact that holds and one that does not"
        )
    labels = merged(labels)
    before = {plan.name: plan.confidence for plan in store.program.rules if plan.name in caps}
    weights = dict(before)
    terms = _terms(store, compiler, labels, weights)
    proved = {term.fact for term in terms.terms}
    covered = sum(label.times for number, label in enumerate(labels) if number in proved)
    if not covered:
        raise UserError("no labelled fact has a proof", "label facts that the rules can give")
    loss_before = loss(terms, labels, weights)
    rounds = 0
    change = 1.0
    while rounds < ROUNDS and change >= STILL:
        rounds += 1
        moved = _descend(terms, labels, weights, caps)
        change = max(abs(moved[name] - weights[name]) for name in weights)
        weights = moved
        terms = _terms(store, compiler, labels, weights)
    return Fitted(before, weights, loss_before, loss(terms, labels, weights), covered, rounds)


def merged(labels: Sequence[Label]) -> list[Label]:
    """One label for each fact: the mean of what is said of it, which has the same loss but for a constant."""
    found: dict[tuple[str, tuple[Any, ...]], tuple[float, int]] = {}
    for label in labels:
        value, times = found.get((label.relation, label.args), (0.0, 0))
        found[label.relation, label.args] = value + label.value * label.times, times + label.times
    return [Label(*fact, value / times, times) for fact, (value, times) in found.items()]


def _caps(store: Store, rules: Sequence[str]) -> dict[str, float]:
    """The greatest weight of each rule: the ceiling of its origin."""
    declared = {rule.name: rule for rule in store.kb.rules if rule.active}
    if not rules:
        raise UserError(
            "no rule is to be fitted", "name some with --rule, or write a confidence after a rule's name"
        )
    for name in rules:
        if name not in declared:
            raise UserError(
                f"the KB `{store.kb.name}` has no active rule `{name}`", f"it has {', '.join(declared)}"
            )
    return {name: store.program.ceiling[declared[name].origin] for name in rules}


def _terms(store: Store, compiler: Compiler, labels: Sequence[Label], weights: Mapping[str, float]) -> Terms:
    kb, program = compiler.reweighted(weights)
    with copied(store, config.Kb.model_validate(kb), Program.model_validate(program)) as copy:
        evaluate(copy)
        graph = Graph(copy)
        facts = [graph.find(label.relation, label.args) for label in labels]
        return proof_terms(copy, facts, frozenset(weights))


def loss(terms: Terms, labels: Sequence[Label], weights: Mapping[str, float]) -> float:
    """The mean cross-entropy of the labels at these weights."""
    import torch

    values = torch.tensor([weights[name] for name in sorted(weights)], dtype=torch.float64)
    return float(_loss(_Tensors.of(terms, sorted(weights)), _targets(labels), values))


def gradient(terms: Terms, labels: Sequence[Label], weights: Mapping[str, float]) -> dict[str, float]:
    """The gradient of `loss` by each weight."""
    import torch

    names = sorted(weights)
    values = torch.tensor([weights[name] for name in names], dtype=torch.float64, requires_grad=True)
    _loss(_Tensors.of(terms, names), _targets(labels), values).backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    return dict(zip(names, values.grad.tolist(), strict=True))


def _descend(
    terms: Terms, labels: Sequence[Label], weights: Mapping[str, float], caps: Mapping[str, float]
) -> dict[str, float]:
    """Weights with less loss, the proofs being what they are; each stays between LEAST and its cap.

    A rule that takes part in no proof of a label keeps its weight.
    """
    import torch

    names = sorted({name for term in terms.terms for name in term.counts})
    if not names:
        return dict(weights)
    cap = torch.tensor([caps[name] for name in names], dtype=torch.float64)
    start = torch.tensor([weights[name] for name in names], dtype=torch.float64)
    free = torch.logit(((start - LEAST) / (cap - LEAST)).clamp(0.01, 0.99)).requires_grad_()
    tensors, targets = _Tensors.of(terms, names), _targets(labels)
    descent = torch.optim.Adam([free], lr=RATE)
    for _ in range(STEPS):
        descent.zero_grad()
        _loss(tensors, targets, LEAST + (cap - LEAST) * torch.sigmoid(free)).backward()  # type: ignore[no-untyped-call]
        descent.step()
    moved = LEAST + (cap - LEAST) * torch.sigmoid(free.detach())
    return {**weights, **dict(zip(names, moved.tolist(), strict=True))}


@dataclass(frozen=True, slots=True)
class _Tensors:
    """Terms as tensors: [terms] fact, sign and logarithm of what is fixed, [terms, rules] counts, [facts] caps."""

    fact: torch.Tensor
    sign: torch.Tensor
    known: torch.Tensor
    counts: torch.Tensor
    caps: torch.Tensor
    sums: bool

    @classmethod
    def of(cls, terms: Terms, names: Sequence[str]) -> _Tensors:
        import torch

        real = torch.float64
        counts = [[float(term.counts.get(name, 0)) for name in names] for term in terms.terms]
        return cls(
            torch.tensor([term.fact for term in terms.terms], dtype=torch.long),
            torch.tensor([term.sign for term in terms.terms], dtype=real),
            torch.tensor([term.known for term in terms.terms], dtype=real).log(),
            torch.tensor(counts, dtype=real).reshape(len(terms.terms), len(names)),
            torch.tensor(terms.caps, dtype=real),
            terms.sums,
        )

    def probabilities(self, weights: torch.Tensor) -> torch.Tensor:
        """[facts]: the probability of each fact at these weights."""
        import torch

        values = self.sign * torch.exp(self.known + self.counts @ weights.log())  # [terms]
        empty = torch.zeros_like(self.caps)
        how = "sum" if self.sums else "amax"
        found = empty.scatter_reduce(0, self.fact, values, how, include_self=True)
        return torch.minimum(found, self.caps)


def _targets(labels: Sequence[Label]) -> tuple[torch.Tensor, torch.Tensor]:
    """[facts] what the labels say, and [facts] the share of each in the loss."""
    import torch

    values = torch.tensor([label.value for label in labels], dtype=torch.float64)
    times = torch.tensor([label.times for label in labels], dtype=torch.float64)
    return values, times / times.sum()


def _loss(
    tensors: _Tensors, targets: tuple[torch.Tensor, torch.Tensor], weights: torch.Tensor
) -> torch.Tensor:
    from torch.nn.functional import binary_cross_entropy

    values, shares = targets
    found = tensors.probabilities(weights).clamp(EDGE, 1 - EDGE)
    return (binary_cross_entropy(found, values, reduction="none") * shares).sum()
