"""A relation as a networkx graph: nodes are values, edges are facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.exchange.facts_out import columns_of, facts_of, implicit_of, told_apart
from nesyc_runtime.kb.storage.store import Store

if TYPE_CHECKING:
    from networkx import MultiDiGraph


def graph_of(
    store: Store, relation: str, source: str | None = None, target: str | None = None
) -> MultiDiGraph:
    """The facts of `relation` as edges from its column `source` to `target` (the first two, where none is named).

    An edge carries the other columns, `relation`, `conf`, and of a stored fact `origin`, `status` and `owner`; a column
    of one of these names stands under its name with `_` added until it is free. Facts without one of both ends are left out. Raises
    `UserError` for an unknown relation or column, and where networkx is not installed.
    """
    try:
        import networkx
    except ImportError:
        raise UserError("a graph needs networkx", "pip install networkx") from None
    plan = store.relation(relation)
    names = [column.name for column in columns_of(plan)]
    ends = (_place(names, source, 0, relation), _place(names, target, 1, relation))
    implicit = implicit_of(plan)
    attributes = told_apart(names, ("relation", *implicit))
    graph = networkx.MultiDiGraph(name=relation)
    with store.reading():
        for row in facts_of(store, plan):
            head, tail = (row[end] for end in ends)
            if head is None or tail is None:
                continue
            about = {"relation": relation, **dict(zip(implicit, row[len(names) :], strict=True))}
            about |= {name: row[i] for i, name in enumerate(attributes) if i not in ends}
            graph.add_edges_from([(head, tail, about)])  # as one table: a column may be called `key`
    return graph


def _place(names: list[str], name: str | None, default: int, relation: str) -> int:
    if name is None and default < len(names):
        return default
    if name not in names:
        wanted = f"no column `{name}`" if name else "one column, a graph needs two"
        raise UserError(f"`{relation}` has {wanted}", f"it has {', '.join(names)}")
    return names.index(name)
