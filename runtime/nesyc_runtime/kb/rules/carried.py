"""Columns that a recursion hands on as they are: all that a fact's proofs of its own relation stand on has its value there.

So the recursion falls into parts that do not touch each other, one for each value ("pivoting", Seib and Lausen 1991;
"decomposable" programs, Wolfson and Silberschatz 1988).
"""

from __future__ import annotations

from collections.abc import Iterator

from nesyc_runtime import config


def carried_columns(kb: config.Kb, relation: str) -> list[int]:
    """The places of the columns that every recursive rule of the relation hands on; all of them where none is recursive."""
    (declared,) = (one for one in kb.relations if one.name == relation)
    columns = set(range(len(declared.columns)))
    for rule in kb.rules:
        if rule.active and rule.head.relation == relation:
            for atom in _atoms(rule.body):
                if atom.relation == relation:
                    columns &= {i for i in columns if _same(rule.head.terms[i], atom.terms[i])}
    return sorted(columns)


def _same(head: config.Term, inner: config.Term) -> bool:
    return isinstance(head, config.Var) and isinstance(inner, config.Var) and head.name == inner.name


def _atoms(literals: tuple[config.BodyLiteral, ...]) -> Iterator[config.AtomLiteral]:
    for literal in literals:
        if isinstance(literal, config.AtomLiteral):
            yield literal
        elif isinstance(literal, config.OrLiteral):
            yield from _atoms(literal.branches)
