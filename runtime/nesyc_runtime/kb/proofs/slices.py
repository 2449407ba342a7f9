"""The part of a relation in DuckDB that explanations of one fact can need, brought into SQLite while they are made.

DuckDB reads a million rows in the time SQLite looks up a hundred, and is slow at looking one up. Where every rule of a
recursion hands on a column as it is, all facts below a fact have its value there: they are read at once, into a temporary
table of the relation's own name, which SQLite then takes for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nesyc_runtime.kb.rules.carried import carried_columns
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.store import Store, quote

MOST = 200_000  # rows brought over


@contextmanager
def slice_below(store: Store, relation: str, row: int) -> Iterator[bool]:
    """Whether, until the end, all that the fact's proofs stand on can be read from SQLite."""
    plan = store.program.by_name[relation]
    carried = _carried(store, relation)
    brought = carried is not None and _bring(store, plan, carried, row)
    try:
        yield brought
    finally:
        if brought:
            store.connection.execute(f"DROP TABLE temp.{quote(plan.rows)}")


def _carried(store: Store, relation: str) -> list[int] | None:
    """The columns that every rule of the recursion hands on, None where some other relation lies in DuckDB too."""
    held = set(store.elsewhere.relations)
    if relation not in held:
        return None
    below, waiting = {relation}, [relation]
    while waiting:
        for rule in store.program.rules_of.get(waiting.pop(), ()):
            fresh = {atom.relation for variant in rule.variants for atom in variant.atoms} - below
            below |= fresh
            waiting.extend(fresh)
    if below & held != {relation}:
        return None
    return carried_columns(store.kb, relation) or None


def _bring(store: Store, plan: RelationPlan, carried: list[int], row: int) -> bool:
    rows = quote(plan.rows)
    columns = ["_row", *(column.column for column in plan.columns)]
    columns += ["conf"] if store.program.semantics != "boolean" else []
    listed = ", ".join(map(quote, columns))
    keys = [quote(plan.columns[index].column) for index in carried]
    values = store.execute(f"SELECT {', '.join(keys)} FROM {rows} WHERE _row = ?", (row,)).fetchone()
    if any(value is None for value in values):
        return False
    same = " AND ".join(f"{key} = ?" for key in keys)
    sql = f"SELECT {listed} FROM {rows} WHERE {same} LIMIT {MOST + 1}"
    found = store.execute(sql, values).fetchall()
    if len(found) > MOST:
        return False
    # with their types: an index on a column of none is of no use beside a column of numbers
    described = store.connection.execute(f"PRAGMA table_info({rows})").fetchall()
    types = {name: kind for _, name, kind, *_ in described}
    others = ", ".join(f"{quote(column)} {types[column]}" for column in columns[1:])
    store.connection.execute(f"CREATE TEMP TABLE {rows} (_row INTEGER PRIMARY KEY, {others})")
    marks = ", ".join("?" * len(columns))
    store.connection.executemany(f"INSERT INTO temp.{rows} VALUES ({marks})", found)
    for number, names in enumerate(_searched(store, plan)):
        index = quote(f"{plan.rows}.below{number}")
        store.connection.execute(f"CREATE INDEX temp.{index} ON {rows} ({', '.join(map(quote, names))})")
    return True


def _searched(store: Store, plan: RelationPlan) -> list[tuple[str, ...]]:
    """The columns by which rules look the relation up on the way down."""
    rules = store.program.rules_of.get(plan.name, ())
    searches = (search for rule in rules for variant in rule.variants for search in variant.searches)
    return list(dict.fromkeys(columns for table, columns in searches if table == plan.rows))
