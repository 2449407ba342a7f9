"""What `nesyc kb` shows people; texts of rows are shown without control characters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nesyc.diagnostics import counted

if TYPE_CHECKING:
    from rich.table import Table

SIGNS = {"insert": "+", "delete": "-", "update": "~"}


def log_text(result: dict[str, Any]) -> str:
    """The `kb log` object as lines."""
    if not result["changes"]:
        return "no change yet\n"
    lines: list[str] = []
    for change in result["changes"]:
        lines += _change(change)
    if result["truncated"]:
        lines.append(f"... {result['total'] - len(result['changes'])} earlier; --limit 0 shows all")
    return "\n".join(lines) + "\n"


def _change(change: dict[str, Any]) -> list[str]:
    from nesyc_runtime.files import printable

    mark = "  (taken back)" if change["undone"] else ""
    who, why = printable(change["who"], 60), printable(change["why"], 200)
    lines = [f"#{change['change']}  {change['at']}  {who}: {why}{mark}"]
    for row in change["rows"]:
        lines.append(f"    {_row(row)}")
    hidden = change["total"] - sum(row.get("rows", 1) for row in change["rows"])
    if hidden > 0:
        lines.append(f"    ... {hidden} more rows")
    return lines


def _row(row: dict[str, Any]) -> str:
    from nesyc_runtime.files import printable

    if row["op"] == "load":
        return f"+ {counted(row['rows'], 'row')} of {row['relation']}"
    before, after = row["before"], row["after"]
    if row["op"] == "update":
        what = ", ".join(
            f"{name}: {_value(before.get(name))} -> {_value(value)}"
            for name, value in after.items()
            if value != before.get(name)
        )
        first = next(iter(after.values()), None)
        return printable(f"~ {row['relation']}({_value(first)}, ...)  {what}", 400)
    side = after if before is None else before
    values = ", ".join(_value(v) for n, v in side.items() if n not in ("conf", "origin", "status", "owner"))
    return printable(f"{SIGNS[row['op']]} {row['relation']}({values})  {side['status']}", 400)


def _value(value: Any) -> str:
    from nesyc_runtime.files import printable
    from nesyc_runtime.kb.storage.values import shown

    return printable(shown(value), 80) if value is not None else "null"


def counts_text(result: dict[str, Any]) -> Table:
    """How many rows each relation has."""
    from rich.table import Table

    table = Table(title=f"{result['kb']} after change {result['change']}", title_justify="left")
    table.add_column("relation")
    table.add_column("rows", justify="right")
    for one in result["relations"]:
        table.add_row(one["relation"] + (" (derived)" if one["derived"] else ""), str(one["rows"]))
    return table


def merge_text(result: dict[str, Any]) -> str:
    """What an import did, and both sides of every conflict."""
    lines: list[str] = []
    for one in result["files"]:
        counts = ", ".join(f"{one[name]} {name}" for name in ("added", "changed", "removed", "accepted"))
        lines.append(f"{_value(one['file'])}: {counts}, {counted(len(one['conflicts']), 'conflict')}")
        for conflict in one["conflicts"]:
            key = ", ".join(_value(value) for value in conflict["key"])
            lines.append(
                f"  {conflict['place'] or ''} {conflict['relation']} {key}: {_value(conflict['why'])}".rstrip()
            )
            lines += _sides(conflict)
        for rule in one["rules"]:
            where = (
                f"stands otherwise in {rule['place']}: change it there"
                if rule["place"]
                else "is new: write it into the spec"
            )
            lines.append(f"  rule `{_value(rule['rule'])}` {where}")
    return "\n".join(lines) + "\n"


def _sides(conflict: dict[str, Any]) -> list[str]:
    """The columns on which the sides differ; what the knowledge base has stays."""
    sides = {"file": conflict["file"], "kb": conflict["kb"]}
    names = [*dict.fromkeys(name for side in sides.values() for name in side or ())]
    different = [n for n in names if len({_value((side or {}).get(n)) for side in sides.values()}) > 1]
    return [
        f"      {label:4} {name} = {_value(side.get(name))}"
        for name in different
        for label, side in sides.items()
        if side is not None
    ]
