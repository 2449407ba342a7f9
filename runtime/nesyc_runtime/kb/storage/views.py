"""The views of derived relations: that of one whose rows DuckDB holds says so, where it would show an empty relation."""

from __future__ import annotations

from collections.abc import Mapping

from nesyc_runtime.kb.storage.store import Store, quote


def show_derived(store: Store, held: Mapping[str, int], file: str | None) -> None:
    """Let the views show what the store holds; `held` are rows by relation in the DuckDB `file`, within `store.writing()`.

    Such a view has one row, which says where the rows are and how to get at them.
    """
    declared = {item.name: item.sql for item in store.program.tables if item.kind == "view"}
    views = {plan.view: plan.name for plan in store.program.relations if plan.derived}
    wanted = {
        view: _note(view, held[name], file) if name in held else declared[view]
        for view, name in views.items()
    }
    connection = store.connection  # not `store.execute`: the statements name tables that lie elsewhere
    present = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'view'").fetchall())
    for view, sql in wanted.items():
        if present.get(view) != sql:
            connection.execute(f"DROP VIEW IF EXISTS {quote(view)}")
            connection.execute(sql)


def _note(view: str, rows: int, file: str | None) -> str:
    where = f"in {file} beside this file" if file is not None else "in memory"
    how = "nesyc query, or nesyc kb export --format sqlite --out FILE for plain tables"
    return (
        f"CREATE VIEW {quote(view)} AS\n-- derived, and too many for quick work in SQLite: DuckDB holds them\n"
        f"SELECT {rows} AS rows, {_text(where)} AS place, {_text(how)} AS how"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
