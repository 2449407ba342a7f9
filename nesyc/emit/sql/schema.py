"""The tables, indexes and views of a KB, one CREATE statement each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from nesyc.emit.sql import dialect
from nesyc.emit.sql.change_log import change_log
from nesyc.emit.sql.dialect import name
from nesyc.emit.sql.layout import (
    CLAIMS,
    LEAVES,
    PROOFS,
    REJECTED,
    ROW,
    STATE,
    SYMBOLS,
    Column,
    Layout,
    Table,
)
from nesyc.emit.sql.program import SchemaObject

Search = tuple[str, tuple[str, ...]]


def schema_objects(
    layout: Layout, searches: Sequence[Search], logged: Collection[str]
) -> tuple[SchemaObject, ...]:
    """Every object of the store; `searches` are the columns by which rules look rows up.

    `logged` are the stored relations whose changes are kept until the rules have run: those that rules read.
    """
    return (
        *_common(layout),
        *_enums(layout),
        *(item for table in layout.tables.values() for item in _relation(layout, table, searches)),
        *(
            item
            for name in layout.tables
            if name in logged
            for item in change_log(layout, layout.tables[name])
        ),
    )


def _common(layout: Layout) -> Iterator[SchemaObject]:
    def table(title: str, columns: str, facts: bool, note: str) -> SchemaObject:
        return SchemaObject(
            "table", title, f"CREATE TABLE {name(title)} (\n{columns}\n) STRICT", None, facts, note
        )

    yield table(
        SYMBOLS, "  id INTEGER PRIMARY KEY,\n  text TEXT NOT NULL UNIQUE", True, "Every text that joins."
    )
    yield table(
        STATE, "  key TEXT PRIMARY KEY,\n  value TEXT NOT NULL", True, "What was loaded and evaluated last."
    )
    claims = (
        "  relation TEXT NOT NULL,\n  row INTEGER NOT NULL,\n  owner INTEGER NOT NULL,\n  written REAL NOT NULL,\n"
        "  origin INTEGER NOT NULL,\n  status INTEGER NOT NULL,\n  line INTEGER,\n  provenance TEXT,\n"
        "  PRIMARY KEY (relation, row, owner)"
    )
    yield table(CLAIMS, claims, True, "Further owners of a row: it stays while one of them holds it.")
    rejected = (
        "  relation TEXT NOT NULL,\n  fact TEXT NOT NULL,\n  owner TEXT NOT NULL,\n  note TEXT,\n"
        "  PRIMARY KEY (relation, fact)"
    )
    yield table(REJECTED, rejected, True, "Facts a person rejected (as JSON): no stage writes them again.")
    if layout.kb.semantics.kind == "top_proofs":
        leaves = (
            "  id INTEGER PRIMARY KEY,\n  name TEXT NOT NULL UNIQUE,\n  rule TEXT,\n"
            "  conf REAL NOT NULL,\n  cap REAL NOT NULL"
        )
        yield table(
            LEAVES, leaves, False, "Facts, and instances of rules, that proofs of derived facts stand on."
        )
        proofs = (
            "  relation TEXT NOT NULL,\n  row INTEGER NOT NULL,\n  rank INTEGER NOT NULL,\n  rule TEXT NOT NULL,\n"
            "  value REAL NOT NULL,\n  leaves TEXT NOT NULL,\n  PRIMARY KEY (relation, row, rank)"
        )
        yield table(
            PROOFS, proofs, False, f"The {layout.kb.semantics.k} best leaf sets of each derived fact."
        )


def _enums(layout: Layout) -> Iterator[SchemaObject]:
    for enum in layout.kb.enums:
        title = layout.enums[enum.name]
        sql = (
            f"CREATE TABLE {name(title)} (\n"
            f"  symbol INTEGER PRIMARY KEY REFERENCES {name(SYMBOLS)}(id),\n  place INTEGER NOT NULL UNIQUE\n) STRICT"
        )
        note = (
            f"enum {enum.name} ({enum.location.file}:{enum.location.line}), constants in order of declaration"
        )
        yield SchemaObject("table", title, sql, None, False, note)
        texts = ", ".join(f"({dialect.text_literal(text)})" for text in enum.constants)
        if not texts:
            continue
        sql = f"INSERT OR IGNORE INTO {name(SYMBOLS)} (text) VALUES {texts}"
        yield SchemaObject("insert", f"{title}.texts", sql, None, False)
        pairs = ", ".join(f"({dialect.text_literal(text)}, {i})" for i, text in enumerate(enum.constants, 1))
        sql = (
            f"INSERT OR REPLACE INTO {name(title)} (symbol, place)\n"
            f"SELECT id, column2 FROM (VALUES {pairs}) JOIN {name(SYMBOLS)} ON text = column1"
        )
        yield SchemaObject("insert", f"{title}.constants", sql, None, False)


def _relation(layout: Layout, table: Table, searches: Sequence[Search]) -> Iterator[SchemaObject]:
    relation = table.relation
    place = f"{relation.location.file}:{relation.location.line}"
    facts = not relation.derived
    note = f"{'derived' if relation.derived else 'relation'} {relation.name} ({place})"
    yield SchemaObject(
        "table", table.rows, _rows_table(layout, table, table.rows), relation.name, facts, note
    )
    yield from _indexes(table, table.rows, searches)
    if table.resolved:
        yield SchemaObject("table", table.reads, _rows_table(layout, table, table.reads), relation.name, False,
                           f"the winners of {relation.name} under `unique ... resolve`")  # fmt: skip
        yield from _indexes(table, table.reads, searches)
    yield SchemaObject("view", table.view, _view(layout, table), relation.name, False)
    if relation.fulltext:
        yield from _fulltext(table)
    for column in relation.columns:
        if column.embed is not None:
            yield from _embedded(table, column.name, column.embed[1])


def fulltext_table(table: Table) -> str | None:
    return f"{table.rows.removesuffix('.rows')}.fulltext" if table.relation.fulltext else None


def set_columns(table: Table) -> tuple[str, ...]:
    """What makes a row the same row: its key, else all columns, a null counting as equal to a null."""
    key = table.relation.key
    computed = {column.name for column in table.relation.columns if column.embed is not None}
    chosen = [c for c in table.columns if (c.name in key if key else c.name not in computed)]
    return tuple(
        f"ifnull({name(c.column)}, {dialect.NULL_KEY})" if c.type.nullable else name(c.column) for c in chosen
    )


def create_table(layout: Layout, table: Table) -> str:
    """The CREATE statement of a relation's rows."""
    return _rows_table(layout, table, table.rows)


def _rows_table(layout: Layout, table: Table, title: str) -> str:
    columns = [f"  {ROW} INTEGER PRIMARY KEY"]
    embedded = {column.name for column in table.relation.columns if column.embed is not None}
    for column in table.columns:
        kind = dialect.column_type(column.type, interned=column.interned)
        null = "" if column.type.nullable or column.name in embedded else " NOT NULL"
        columns.append(f"  {name(column.column)} {kind}{null}{_references(layout, table, column)}")
    if table.relation.derived:
        if layout.weighted:
            columns.append("  conf REAL NOT NULL DEFAULT 1.0")
    else:
        columns += [
            "  conf REAL NOT NULL",
            "  origin INTEGER NOT NULL",
            "  status INTEGER NOT NULL",
            "  owner INTEGER NOT NULL",
            "  written REAL NOT NULL",
            "  line INTEGER",
            "  provenance TEXT",
        ]
    return f"CREATE TABLE {name(title)} (\n" + ",\n".join(columns) + "\n) STRICT"


def _references(layout: Layout, table: Table, column: Column) -> str:
    """A foreign key, where the other relation's key is one column held the same way; else the table of texts."""
    declared = next(c for c in table.relation.columns if c.name == column.name)
    if declared.references is not None:
        other = layout.tables[declared.references]
        if len(other.relation.key) == 1:
            key = other.column(other.relation.key[0])
            if key.interned == column.interned:
                return f" REFERENCES {name(other.rows)}({name(key.column)})"
    if column.type.enum is not None and column.type.enum in layout.enums:
        return f" REFERENCES {name(layout.enums[column.type.enum])}(symbol)"
    return f" REFERENCES {name(SYMBOLS)}(id)" if column.interned else ""


def _indexes(table: Table, rows: str, searches: Sequence[Search]) -> Iterator[SchemaObject]:
    """The row-once index, then those declared or searched by that no earlier one leads with."""

    def index(title: str, columns: Sequence[str], unique: str = "") -> SchemaObject:
        sql = f"CREATE {unique}INDEX {name(title)} ON {name(rows)} ({', '.join(columns)})"
        return SchemaObject("index", title, sql, table.name, False)

    unique = set_columns(table)
    yield index(f"{rows}.set", unique, "UNIQUE ")
    led = [unique]
    declared = [tuple(table.column(c).column for c in columns) for columns in table.relation.indexes]
    searched = {columns for relation, columns in searches if relation == table.name}
    for columns in [*declared, *sorted(searched, key=lambda c: (-len(c), c))]:
        quoted = tuple(name(column) for column in columns)
        if any(set(index[: len(quoted)]) == set(quoted) for index in led):
            continue
        rest = tuple(name(c.column) for c in table.columns if c.column not in columns)
        covering = (*quoted, *rest) if len(table.columns) <= 3 and _narrow(table) else quoted
        led.append(covering)
        yield index(f"{rows}.by.{'.'.join(columns)}", covering)


def _narrow(table: Table) -> bool:
    """Whether all columns fit an index that then answers alone."""
    return all(c.interned or c.type.base in ("int", "number", "bool", "date", "usd") for c in table.columns)


def _view(layout: Layout, table: Table) -> str:
    shown: list[str] = []
    joins: list[str] = []

    def text(column: str, alias: str, *, optional: bool) -> str:
        join = "LEFT JOIN" if optional else "JOIN"
        joins.append(f"{join} {name(SYMBOLS)} AS {alias} ON {alias}.id = r.{name(column)}")
        return f"{alias}.text"

    for number, column in enumerate(table.columns, 1):
        source = f"r.{name(column.column)}"
        if column.interned:
            source = text(column.column, f"s{number}", optional=column.type.nullable)
        shown.append(f"{source} AS {name(column.column)}")
    if not table.relation.derived:
        implicit = {c: text(c, f"i_{c}", optional=False) for c in ("origin", "status", "owner")}
        shown += ["r.conf AS conf", *(f"{source} AS {c}" for c, source in implicit.items())]
    elif layout.weighted:
        shown.append("r.conf AS conf")
    else:
        shown.append("1.0 AS conf")
    lines = ",\n  ".join(shown)
    joined = "".join(f"\n{join}" for join in joins)
    return f"CREATE VIEW {name(table.view)} AS\nSELECT\n  {lines}\nFROM {name(table.reads)} AS r{joined}"


def _fulltext(table: Table) -> Iterator[SchemaObject]:
    """An index over the words of the rows, kept by triggers; the texts themselves stay in the rows."""
    title = fulltext_table(table)
    assert title is not None
    names = [table.column(column).column for column in table.relation.fulltext]
    columns = ", ".join(name(column) for column in names)
    content = f"content={dialect.text_literal(table.rows)}, content_rowid={dialect.text_literal(ROW)}"
    sql = f"CREATE VIRTUAL TABLE {name(title)} USING fts5({columns}, {content}, tokenize='unicode61')"
    yield SchemaObject("table", title, sql, table.name, False)
    rows = name(table.rows)
    new = ", ".join(f"new.{name(column)}" for column in names)
    old = ", ".join(f"old.{name(column)}" for column in names)
    add = f"INSERT INTO {name(title)} (rowid, {columns}) VALUES (new.{ROW}, {new});"
    drop = f"INSERT INTO {name(title)} ({name(title)}, rowid, {columns}) VALUES ('delete', old.{ROW}, {old});"
    for event, body in (
        ("INSERT", add),
        ("DELETE", drop),
        (f"UPDATE OF {ROW}, {columns}", f"{drop}\n  {add}"),
    ):
        trigger = f"{title}.{event.split()[0].lower()}"
        sql = f"CREATE TRIGGER {name(trigger)} AFTER {event} ON {rows} BEGIN\n  {body}\nEND"
        yield SchemaObject("trigger", trigger, sql, table.name, False)


def _embedded(table: Table, vector: str, source: str) -> Iterator[SchemaObject]:
    """A vector goes with the text it was computed from; an index over the rows that have none finds them at once."""
    column, text = table.column(vector).column, name(table.column(source).column)
    rows, title = name(table.rows), f"{table.rows}.{column}.missing"
    sql = f"CREATE INDEX {name(title)} ON {rows} ({ROW}) WHERE {name(column)} IS NULL"
    yield SchemaObject("index", title, sql, table.name, False)
    trigger = f"{table.rows}.{column}.stale"
    sql = (
        f"CREATE TRIGGER {name(trigger)} AFTER UPDATE OF {text} ON {rows} WHEN old.{text} IS NOT new.{text} BEGIN\n"
        f"  UPDATE {rows} SET {name(column)} = NULL WHERE {ROW} = new.{ROW};\nEND"
    )
    yield SchemaObject("trigger", trigger, sql, table.name, False)
