"""Indexes that explanations need and evaluation does not: made when a fact is first asked about, then kept.

A rule is run forwards from what is new, and explained backwards from what it gave. Making the indexes for the way back
beforehand would charge every evaluation for what may never be asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

SMALL = 300  # rows; a table of fewer is read through as fast as an index is searched

Search = tuple[str, tuple[str, ...]]


def add_lookups(store: Store, relation: str) -> None:
    """Make the indexes by which the proofs of a relation's facts are found, where they are missing."""
    missing = [search for search in _searches(store, relation) if not _has_index(store, *search)]
    if not missing:
        return
    with store.writing():
        for table, columns in missing:
            title = quote(f"{table}.why.{'.'.join(columns)}")
            listed = ", ".join(map(quote, columns))
            store.connection.execute(f"CREATE INDEX IF NOT EXISTS {title} ON {quote(table)} ({listed})")


def _searches(store: Store, relation: str) -> Iterator[Search]:
    """What the rules of a relation, and of those below it, look up in tables that are not small."""
    rules, seen, waiting = store.program.rules_of, {relation}, [relation]
    found: dict[Search, None] = {}
    while waiting:
        for rule in rules.get(waiting.pop(), ()):
            for variant in rule.variants:
                found |= dict.fromkeys(variant.searches)
                below = {atom.relation for atom in variant.atoms} - seen
                seen |= below
                waiting.extend(sorted(below))
    large: dict[str, bool] = {}
    for table, columns in found:
        if table not in large:
            sql = f"SELECT count(*) FROM (SELECT 1 FROM {quote(table)} LIMIT {SMALL + 1})"
            large[table] = store.connection.execute(sql).fetchone()[0] > SMALL
        if large[table]:
            yield table, columns


def _has_index(store: Store, table: str, columns: tuple[str, ...]) -> bool:
    """Whether an index leads with these columns, in any order."""
    for (name,) in store.connection.execute("SELECT name FROM pragma_index_list(?)", (table,)).fetchall():
        sql = "SELECT name FROM pragma_index_info(?) ORDER BY seqno LIMIT ?"
        led = store.connection.execute(sql, (name, len(columns))).fetchall()
        if {column for (column,) in led} == set(columns):
            return True
    return False
