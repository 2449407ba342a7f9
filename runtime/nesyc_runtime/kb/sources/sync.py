"""Making the source's rows in the store equal to the text: other owners' rows are not touched.

Rows stream through a temporary table, so memory stays flat, and what differs is found by SQL; only rows that another
owner holds too are looked at one by one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import digest
from nesyc_runtime.kb.sources.batches import Batch, file_batches, text_batches
from nesyc_runtime.kb.sources.read import read, source_of
from nesyc_runtime.kb.sources.rejects import STATE, Rejects
from nesyc_runtime.kb.sources.staging import NEW, equal_keys, key_columns, place_of, stage_rows
from nesyc_runtime.kb.storage.bulk import bulk
from nesyc_runtime.kb.storage.facts import source_facts
from nesyc_runtime.kb.storage.history import many_rows
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import FIELDS, Claim, column_list, hold, quote, release
from nesyc_runtime.kb.storage.store import Store

SOURCE = "source:%"
MISSING = 'temp."nesyc.missing"'
ONE_BY_ONE = 1000  # new rows that the history writes down one by one; more are one line


def sync_source(store: Store, paths: Mapping[int, Path] | None = None, rejects: Path | None = None) -> bool:
    """Make the rows that the source owns equal to the facts of the KB; gives whether anything changed.

    `paths[i]` is the file of `kb.fact_files[i]`; rows that do not fit are written into the folder `rejects`. Nothing is
    read where facts, files and ceiling are those of the last time. Raises `UserError`, with file and line, for rows
    that do not fit their relation, unless their file may have such (`bad_rows = .reject`).
    """
    wanted = digest(
        [
            [fact.model_dump(mode="json") for fact in store.kb.facts],
            [file.model_dump(mode="json") for file in store.kb.fact_files],
            store.kb.ceiling.model_dump(),
        ]
    )
    if store.state("source") == wanted:
        return False
    with store.loading(), store.changing("source", "follow the text"):
        changed = _recap(store)
        left_out: dict[str, Any] = {}
        for relation in store.program.relations:
            if not relation.derived:
                changed |= _sync_relation(store, relation, paths or {}, Rejects(rejects, relation), left_out)
        if changed:
            _check_references(store)
            store.facts_changed()
        store.set_state("source", wanted)
        store.set_state(STATE, json.dumps(left_out))
    return changed


def _batches(
    store: Store, relation: RelationPlan, paths: Mapping[int, Path], rejects: Rejects
) -> Iterator[Batch]:
    facts = (fact for fact in store.kb.facts if fact.relation == relation.name)
    yield from text_batches(source_facts(facts, relation, store.enums))
    for index, file in enumerate(store.kb.fact_files):
        if file.relation == relation.name:
            source = rejects.reading(source_of(file, paths[index], relation))
            yield from file_batches(source, read(source), store.enums, rejects.add)
    rejects.all_read()


def _recap(store: Store) -> bool:
    """Apply a changed ceiling to every row."""
    changed = False
    for relation in store.program.relations:
        if relation.derived:
            continue
        for origin, cap in store.program.ceiling.items():
            cursor = store.execute(
                f"UPDATE {quote(relation.rows)} SET conf = min(written, ?) "
                "WHERE origin = ? AND conf <> min(written, ?)",
                (cap, store.symbol(origin), cap),
            )
            changed |= cursor.rowcount > 0
    return changed


def _sync_relation(
    store: Store,
    relation: RelationPlan,
    paths: Mapping[int, Path],
    rejects: Rejects,
    left_out: dict[str, Any],
) -> bool:
    try:
        count = stage_rows(store, relation, _batches(store, relation, paths, rejects), rejects.again)
        rejects.finish()
    finally:
        rejects.discard()
    if rejects.counts:
        left_out[relation.name] = rejects.note()
    changed = _follow(store, relation, count)
    store.execute(f"DROP TABLE {NEW}")
    return changed


def _follow(store: Store, relation: RelationPlan, count: int) -> bool:
    """Make the relation's rows those of `NEW`, `count` in number, as far as they are the source's."""
    if not store.execute(f"SELECT 1 FROM {quote(relation.rows)} LIMIT 1").fetchone():
        return count > 0 and _insert(store, relation, count)
    same = " AND ".join(
        f"n.{quote(c.column)} IS r.{quote(c.column)}" for c in relation.columns if not c.computed
    )
    table = quote(relation.rows)
    changed = _release_gone(store, relation, table, same)
    changed |= _hold_shared(store, relation, table, same)
    changed |= _update(store, relation, table, same)
    _refuse_clash(store, relation, same)
    store.execute(f"DROP TABLE IF EXISTS {MISSING}")
    store.execute(
        f"CREATE TABLE {MISSING} AS SELECT _row FROM {NEW} AS n "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} AS r WHERE {same})"
    )
    count = store.execute(f"SELECT count(*) FROM {MISSING}").fetchone()[0]
    changed |= count > 0 and _insert(store, relation, count, f"WHERE _row IN (SELECT _row FROM {MISSING})")
    store.execute(f"DROP TABLE {MISSING}")
    return changed


def _release_gone(store: Store, relation: RelationPlan, table: str, same: str) -> bool:
    """Rows, and claims on others' rows, that the source no longer has."""
    gone = f"owner IN (SELECT id FROM \"nesyc.symbol\" WHERE text LIKE '{SOURCE}') AND NOT EXISTS (SELECT 1 FROM {NEW} AS n WHERE {same})"
    shared = store.execute(
        f'SELECT r._row, r.owner FROM {table} AS r JOIN "nesyc.claim" AS c ON c.relation = ? AND c.row = r._row '
        f"WHERE r.{gone} GROUP BY r._row",
        (relation.name,),
    ).fetchall()
    claims = store.execute(
        f'SELECT c.row, c.owner FROM "nesyc.claim" AS c JOIN {table} AS r ON r._row = c.row '
        f"WHERE c.relation = ? AND c.{gone}",
        (relation.name,),
    ).fetchall()
    for row, owner in (*shared, *claims):
        release(store, relation, row, store.text(owner))
    cursor = store.execute(f"DELETE FROM {table} AS r WHERE r.{gone}")
    return bool(shared or claims or cursor.rowcount > 0)


def _hold_shared(store: Store, relation: RelationPlan, table: str, same: str) -> bool:
    """Rows of the source that others hold as well."""
    others = "r.owner NOT IN (SELECT id FROM \"nesyc.symbol\" WHERE text LIKE 'source:%')"
    claimed = 'EXISTS (SELECT 1 FROM "nesyc.claim" AS c WHERE c.relation = ? AND c.row = r._row)'
    columns = ", ".join(f"n.{quote(column.column)}" for column in relation.columns)
    found = store.execute(
        f"SELECT {columns}, n.written, n.origin, n.owner, n.line FROM {NEW} AS n JOIN {table} AS r ON {same} "
        f"WHERE {others} OR {claimed} ORDER BY n._row",
        (relation.name,),
    ).fetchall()
    changed = False
    for *stored, written, origin, owner, line in found:
        claim = Claim(store.text(owner), written, store.text(origin), line=line)
        changed |= hold(store, relation, stored, claim)
    return changed


def _update(store: Store, relation: RelationPlan, table: str, same: str) -> bool:
    """Rows that only the source holds and whose confidence or place changed."""
    claimed = 'EXISTS (SELECT 1 FROM "nesyc.claim" AS c WHERE c.relation = ? AND c.row = r._row)'
    cursor = store.execute(
        f"UPDATE {table} AS r SET written = n.written, origin = n.origin, owner = n.owner, line = n.line, "
        f"conf = min(n.written, {_caps(store, 'n.origin')}) FROM {NEW} AS n "
        f"WHERE {same} AND r.owner IN (SELECT id FROM \"nesyc.symbol\" WHERE text LIKE 'source:%') "
        f"AND (n.written, n.origin, n.owner, n.line) IS NOT (r.written, r.origin, r.owner, r.line) "
        f"AND NOT {claimed}",
        (relation.name,),
    )
    return cursor.rowcount > 0


def _refuse_clash(store: Store, relation: RelationPlan, same: str) -> None:
    if not key_columns(relation):
        return
    clash = store.execute(
        f"SELECT n.owner, n.line, r.owner FROM {NEW} AS n JOIN {quote(relation.rows)} AS r "
        f"ON {equal_keys('n', 'r', relation)} WHERE NOT ({same}) ORDER BY n._row LIMIT 1"
    ).fetchone()
    if clash is not None:
        owner = printable(store.text(clash[2]), 80)
        raise UserError(
            f"{place_of(store, clash[0], clash[1])}: E0503: `{relation.name}` already has a row with this key "
            f"({', '.join(c.name for c in relation.columns if c.key)}), written by {owner}",
            "give the fact another key, or reject the other row",
        )


def _insert(store: Store, relation: RelationPlan, count: int, which: str = "") -> bool:
    """Insert `count` rows of `NEW`: those of `which`."""
    table, columns = quote(relation.rows), column_list(relation)
    sql = (
        f"INSERT INTO {table} ({columns}, conf, {FIELDS}) "
        f"SELECT {columns}, min(written, {_caps(store, 'origin')}), {FIELDS} FROM {NEW} {which} ORDER BY _row"
    )
    if count <= ONE_BY_ONE:
        store.execute(sql)
    elif count <= store.execute(f"SELECT count(*) FROM {table}").fetchone()[0]:
        with many_rows(store.connection, store.program, relation):
            store.execute(sql)
    else:
        with bulk(store, relation):
            store.execute(sql)
    return True


def _caps(store: Store, column: str) -> str:
    cases = " ".join(
        f"WHEN {store.symbol(origin)} THEN {float(cap)!r}" for origin, cap in store.program.ceiling.items()
    )
    return f"CASE {column} {cases} END"


def _check_references(store: Store) -> None:
    """E0502: a value that points at a key no row has, or E0303: an enum constant that is no longer declared.

    Ids of texts are not looked at again: they were given here.
    """
    for relation in store.program.relations:
        if relation.derived:
            continue
        table = quote(relation.rows)
        for key in store.execute(f"PRAGMA foreign_key_list({table})").fetchall():
            parent, column, other = key[2:5]
            if parent == "nesyc.symbol":
                continue
            broken = store.execute(
                f"SELECT r._row FROM {table} AS r WHERE r.{quote(column)} NOTNULL AND NOT EXISTS "
                f"(SELECT 1 FROM {quote(parent)} AS p WHERE p.{quote(other)} = r.{quote(column)}) ORDER BY 1 LIMIT 1"
            ).fetchone()
            if broken is not None:
                _refuse_reference(store, relation, broken[0], parent, column)


def _refuse_reference(store: Store, relation: RelationPlan, row: int, parent: str, source: str) -> None:
    column = next(c for c in relation.columns if c.column == source)
    value, owner, line = store.execute(
        f"SELECT {quote(source)}, owner, line FROM {quote(relation.rows)} WHERE _row = ?",
        (row,),
    ).fetchone()
    text = printable(json.dumps(store.text(value) if column.interned else value, ensure_ascii=False), 60)
    target = parent.removesuffix(".rows").removesuffix(".enum")
    code = "E0303" if parent.endswith(".enum") else "E0502"
    raise UserError(
        f"{place_of(store, owner, line)}: {code}: `{relation.name}.{column.name}` is {text}, which `{target}` does not have",
        f"add it to `{target}`, or mend the fact",
    )


def source_paths(store: Store, find: Callable[[config.Path], Path]) -> dict[int, Path]:
    """The file of each fact file; `find` is a project's `file`."""
    return {index: find(file.path) for index, file in enumerate(store.kb.fact_files)}
