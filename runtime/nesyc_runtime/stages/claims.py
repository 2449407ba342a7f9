"""What answers say as facts of a KB."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import Row
from nesyc_runtime.stages.context import gold_of, task_inputs
from nesyc_runtime.stages.ports import Claim, GoldClaim


def claim_of(atom: config.AtomLiteral, values: Mapping[str, Any], kb: str) -> Claim | None:
    """What an answer says as (relation, values) in a KB; None where it is about another, or a value is not known."""
    of, _, relation = atom.relation.rpartition(".")
    arguments: list[Any] = []
    for term in atom.terms:
        match term:
            case config.Const():
                arguments.append(term.value)
            case config.Var():
                arguments.append(values.get(term.name or ""))
            case config.Apply():
                return None
    if of not in ("", kb) or any(value is None for value in arguments):
        return None
    return relation, tuple(arguments)


def gold_claims(task: config.Task, rows: Sequence[Row], split: str, kb: str) -> Iterator[GoldClaim]:
    """What the right answers of a split's rows claim in a KB, by `dataset/split/id`."""
    outputs = {output.name for output in task.outputs}
    for row in rows:
        values = {**task_inputs(task, row.values), **gold_of(task, row.values)}
        for atom in task.claims:
            claim = claim_of(atom, values, kb)
            if claim is not None:
                filled = (
                    place
                    for place, term in enumerate(atom.terms)
                    if isinstance(term, config.Var) and term.name in outputs
                )
                yield GoldClaim(item_name(split, row.id), claim, frozenset(filled))


def item_name(split: str, row: str) -> str:
    """How an item is named as a source: `clutrr/train/118`."""
    return f"{split.replace('.', '/')}/{row}"
