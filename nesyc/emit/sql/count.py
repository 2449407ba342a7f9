"""How many facts an evaluated store holds, as one statement each."""

from __future__ import annotations

from collections.abc import Mapping

from nesyc.emit.sql.dialect import name
from nesyc.emit.sql.layout import lay_out
from nesyc.emit.sql.query import emit_query
from nesyc.ir import nodes

Counting = tuple[str, Mapping[str, nodes.Scalar]]
"""A statement that gives one number, and its bound values."""


def count_facts(kb: nodes.Kb, relation: str) -> Counting:
    """The rows of a relation that queries see. Raises `KeyError` for an unknown relation."""
    return f"SELECT count(*) FROM {name(lay_out(kb).tables[relation].reads)}", {}


def count_derived(kb: nodes.Kb, rule: nodes.Rule) -> Counting:
    """The different values that a rule's body gives to the variables of its head."""
    variables = dict.fromkeys(found for term in rule.head.terms for found in _variables(term))
    query = emit_query(kb, rule.body, tuple(variables))
    return f"SELECT count(*) FROM (\n{query.sql}\n)", query.parameters


def _variables(term: nodes.Term) -> tuple[str, ...]:
    match term:
        case nodes.Var():
            return (term.name,) if term.name is not None else ()
        case nodes.Apply():
            return tuple(found for argument in term.arguments for found in _variables(argument))
        case _:
            return ()
