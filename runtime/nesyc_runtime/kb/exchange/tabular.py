"""Entries as CSV (one relation), JSON Lines and GraphML, and edited CSV and JSON Lines read back."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import has_control, printable, write_csv_line
from nesyc_runtime.kb.exchange.exchange import Edited, EditedRow, Export
from nesyc_runtime.kb.exchange.exported import CSV_HEAD, HEAD, csv_value
from nesyc_runtime.kb.exchange.facts_out import told_apart
from nesyc_runtime.kb.storage.values import shown

EXTRA = ("conf", "status", "owner")


def to_jsonl(export: Export) -> str:
    """A first line about the export, then one object a row."""
    head = {
        HEAD: {
            "kb": export.kb,
            "change": export.change,
            "relations": export.relations,
            "all": export.everything,
        }
    }
    rows = (
        {
            "relation": row.relation,
            "values": row.values,
            "conf": row.conf,
            "status": row.status,
            "owner": row.owner,
        }
        for row in export.rows
    )
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (head, *rows))


def from_jsonl(text: str, file: str) -> Edited:
    """An edited export; raises `UserError` with the line of what cannot be read."""
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    values = [_object(line, f"{file}:{number}") for number, line in lines]
    if not values or not isinstance(values[0].get(HEAD), dict):
        raise UserError(
            f"{file}: the first line does not say what was exported", "export again, and edit that"
        )
    about = values[0][HEAD]
    rows = []
    for (number, _), value in zip(lines[1:], values[1:], strict=True):
        if not isinstance(value.get("values"), dict) or not isinstance(value.get("relation"), str):
            raise UserError(f"{file}:{number}: expected an object with `relation` and `values`")
        row = EditedRow(
            value["relation"], value["values"], value.get("conf"), value.get("status"), f"{file}:{number}"
        )
        rows.append(row)
    return Edited(about["kb"], int(about["change"]), tuple(about["relations"]), bool(about["all"]), rows)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{place}: {error}", "each line is one JSON object") from None
    if not isinstance(value, dict):
        raise UserError(f"{place}: expected an object")
    return value


def to_csv(export: Export) -> str:
    """The rows of one relation; null is `\\N`, a text that begins with a backslash has two.

    Raises `UserError` where there are several relations. The first column says what was exported.
    """
    if len(export.relations) != 1:
        raise UserError(
            "a CSV file holds one relation", f"name it: --relation {' or '.join(export.relations)}"
        )
    head = {
        "kb": export.kb,
        "change": export.change,
        "all": export.everything,
        "relation": export.relations[0],
    }
    names = list(export.rows[0].values) if export.rows else []
    out = io.StringIO()
    write_csv_line(out, [CSV_HEAD, *names, *EXTRA])
    for row in export.rows:
        cells = [_cell(row.values[name]) for name in names]
        write_csv_line(out, [json.dumps(head), *cells, repr(row.conf), row.status, row.owner])
    return out.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return "\\" + value if value.startswith("\\") else value
    return json.dumps(value, ensure_ascii=False)


def from_csv(text: str, file: str) -> Edited:
    """An edited export; raises `UserError` with the line of what cannot be read."""
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        lines = [(reader.line_num, cells) for cells in reader if cells]
    except csv.Error as error:
        raise UserError(f"{file}:{reader.line_num}: {error}") from None
    head = next((cells[0] for _, cells in lines[1:] if cells[0]), None)
    if not lines or lines[0][1][0] != CSV_HEAD or head is None:
        raise UserError(
            f"{file}: the column `{CSV_HEAD}` does not say what was exported", "export again, and edit that"
        )
    about = _object(head, file)
    rows = []
    for number, cells in lines[1:]:
        if len(cells) != len(lines[0][1]):
            raise UserError(
                f"{file}:{number}: {len(cells)} cells, the header names {len(lines[0][1])} columns"
            )
        values: dict[str, Any] = {
            name: csv_value(cell) for name, cell in zip(lines[0][1], cells, strict=True) if name != CSV_HEAD
        }
        conf, status, _ = (values.pop(name, None) for name in EXTRA)
        rows.append(EditedRow(about["relation"], values, _number(conf), status or None, f"{file}:{number}"))
    return Edited(about["kb"], int(about["change"]), (about["relation"],), bool(about["all"]), rows)


def _number(cell: Any) -> Any:
    try:
        return float(cell) if cell else None
    except ValueError:
        return cell


def to_graphml(export: Export) -> str:
    """The rows as a directed graph for networkx and its friends: a node for each value, an edge for each row.

    An edge leads from the first to the second column and carries the relation, the other columns, the confidence
    and the status (a column of one of these names gets `_`); rows of one column mark their node. Raises `UserError` where networkx is not installed.
    """
    try:
        import networkx
    except ImportError:
        raise UserError("GraphML needs networkx", "pip install networkx") from None
    graph = networkx.MultiDiGraph()
    for row in export.rows:
        values = [(name, _xml(value)) for name, value in row.values.items()]
        if len(values) == 1:
            graph.add_nodes_from([(values[0][1], {row.relation: True})])
            continue
        (_, left), (_, right), *others = values
        about = {"relation": row.relation, "conf": row.conf, "status": row.status}
        names = told_apart((name for name, _ in others), about)
        about |= zip(names, (value for _, value in others), strict=True)
        graph.add_edges_from([(left, right, about)])  # as one table: a column may be called `key`
    return "\n".join(networkx.generate_graphml(graph)) + "\n"


def _xml(value: Any) -> str:
    """XML has no way to write control characters."""
    text = shown(value)
    return printable(text, len(text) + 1) if has_control(text) else text
