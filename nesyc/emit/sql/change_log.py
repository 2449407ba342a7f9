"""What changed in a stored relation since the rules ran last, kept by triggers whoever writes: one table of the rows that
came, by number, and one of those that went, as they were."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.emit.sql.dialect import column_type, name
from nesyc.emit.sql.layout import ROW, Layout, Table
from nesyc.emit.sql.program import SchemaObject


def change_log(layout: Layout, table: Table) -> Iterator[SchemaObject]:
    """The tables and triggers; where no confidence matters, its changes are none."""
    came, gone = f"{table.prefix}.came", f"{table.prefix}.gone"
    embedded = {column.name for column in table.relation.columns if column.embed is not None}
    columns = [column for column in table.columns if column.name not in embedded]

    def made(kind: str, title: str, sql: str, note: str = "") -> SchemaObject:
        return SchemaObject(kind, title, sql, table.name, False, note)  # type: ignore[arg-type]

    typed = [f"  {name(c.column)} {column_type(c.type, interned=c.interned)}" for c in columns]
    listed = ", ".join([*(name(c.column) for c in columns), "conf"])
    old = ", ".join([*(f"old.{name(c.column)}" for c in columns), "old.conf"])
    yield made("table", came, f"CREATE TABLE {name(came)} (\n  {ROW} INTEGER PRIMARY KEY\n) STRICT",
               f"rows of {table.name} that came, and rows that went, since the rules ran last")  # fmt: skip
    yield made(
        "table", gone, f"CREATE TABLE {name(gone)} (\n" + ",\n".join([*typed, "  conf REAL"]) + "\n) STRICT"
    )
    comes = f"INSERT OR IGNORE INTO {name(came)} ({ROW}) VALUES (new.{ROW});"
    new_itself = f"EXISTS (SELECT 1 FROM {name(came)} WHERE {ROW} = old.{ROW})"
    goes = f"INSERT INTO {name(gone)} ({listed}) SELECT {old} WHERE NOT {new_itself};"
    forgotten = f"DELETE FROM {name(came)} WHERE {ROW} = old.{ROW};"
    watched = [name(c.column) for c in columns] + (["conf"] if layout.weighted else [])
    differs = " OR ".join(f"old.{column} IS NOT new.{column}" for column in watched)
    for title, event, body in (
        (f"{came}.insert", "INSERT", comes),
        (f"{gone}.delete", "DELETE", f"{goes}\n  {forgotten}"),
        (f"{came}.update", f"UPDATE OF {', '.join(watched)}", f"{goes}\n  {comes}"),
    ):
        when = f" WHEN {differs}" if event.startswith("UPDATE") else ""
        yield made("trigger", title,
                   f"CREATE TRIGGER {name(title)} AFTER {event} ON {name(table.rows)}{when} BEGIN\n  {body}\nEND")  # fmt: skip
