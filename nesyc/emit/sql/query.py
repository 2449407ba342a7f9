"""An ad-hoc conjunction as SQL over the evaluated store, every constant a bound parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nesyc.emit.sql import dialect
from nesyc.emit.sql.body import Scope, compile_body
from nesyc.emit.sql.branches import branches
from nesyc.emit.sql.layout import lay_out
from nesyc.emit.sql.rules import combined
from nesyc.emit.sql.select import Body, rows_of, select
from nesyc.emit.sql.terms import plain, whole
from nesyc.ir import nodes
from nesyc.ir.encode import encode


@dataclass(frozen=True, slots=True)
class BranchQuery:
    """One alternative: the answer's columns, then the row of each positive atom, whose relations are `atoms`."""

    sql: str
    atoms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """`sql` gives `c0`, `c1`, ... and `conf`, each answer once; `branches` the same with what each stands on.

    `types` are the columns' base types, `parameters` the bound values. The runtime runs `sql` under boolean, max_min
    and max_product, `branches` under top_proofs.
    """

    sql: str
    branches: tuple[BranchQuery, ...]
    columns: tuple[str, ...]
    types: tuple[str, ...]
    parameters: dict[str, nodes.Scalar]

    def to_json(self) -> Any:
        return encode(self)


def emit_query(kb: nodes.Kb, literals: Sequence[nodes.BodyLiteral], columns: Sequence[str]) -> Query:
    """Compile a conjunction that has passed the checks; `columns` are the variables to answer with."""
    parameters: dict[str, nodes.Scalar] = {}

    def constant(term: nodes.Const) -> str:
        key = f"p{len(parameters)}"
        parameters[key] = dialect.bound(term.value)
        return f":{key}"

    scope = Scope(lay_out(kb), constants=constant)
    bodies = [compile_body(scope, branch) for branch in branches(literals)]
    types = tuple(bodies[0].bound[column].type.base for column in columns)
    shown = [tuple(_shown(body, columns)) for body in bodies]
    weights = [combined(kb.semantics.kind, None, body) for body in bodies]
    simple = [
        select([*values, f"{weight} AS conf"], body)
        for values, weight, body in zip(shown, weights, bodies, strict=True)
    ]
    names = [f"c{index}" for index in range(len(columns))]
    union = "\nUNION ALL\n".join(simple)
    answers = ", ".join([*names, "max(conf) AS conf"])
    ending = f"GROUP BY {', '.join(names)}" if names else "HAVING count(*) > 0"
    return Query(
        f"SELECT {answers} FROM (\n{union}\n) {ending}",
        tuple(
            BranchQuery(
                select([*values, *rows_of(body)], body), tuple(step.atom.relation for step in body.atoms)
            )
            for values, body in zip(shown, bodies, strict=True)
        ),
        tuple(columns),
        types,
        parameters,
    )


def _shown(body: Body, columns: Sequence[str]) -> list[str]:
    return [
        f"{plain(whole(body.bound[column]))} AS {dialect.name(f'c{i}')}" for i, column in enumerate(columns)
    ]
