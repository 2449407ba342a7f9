"""Entries as Markdown that people edit: one heading an entry, texts in fences, everything else as JSON in a list.

A fence is longer than any run of tildes in its text, so no text can end it; a text with control characters is
written as JSON instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import has_control, printable
from nesyc_runtime.kb.exchange.exchange import Edited, EditedRow, Export, ExportedRow
from nesyc_runtime.kb.storage.values import shown

_HEAD = re.compile(r"<!-- nesyc kb export: (\{.*\}) -->")
_TILDES = re.compile(r"~+")
_ITEM = re.compile(r"- (\w+): ?(.*)")
_FENCE = re.compile(r"(~{3,})\s*(\w*)")


def to_markdown(export: Export, rules: Sequence[tuple[str, str]] = ()) -> str:
    """The entries, and for reading the rules as (place, text)."""
    head = {"kb": export.kb, "change": export.change, "relations": export.relations, "all": export.everything}
    lines = [
        f"# Knowledge base {export.kb}",
        "",
        f"<!-- nesyc kb export: {json.dumps(head)} -->",
        "",
        "Edit texts and values, set `status` to `accepted` or `rejected`, remove entries or write further ones; then",
        "`nesyc kb import FILE`.",
        "",
    ]
    for row in export.rows:
        lines += _entry(row)
    if rules:
        lines += ["# Rules, for reading: they are changed in their file", ""]
        for place, text in rules:
            lines += [f"{printable(place, 100)}:", "", *_fenced(text, "nesy"), ""]
    return "\n".join(lines)


def _entry(row: ExportedRow) -> Iterator[str]:
    first = next(iter(row.values.values()), None)
    yield f"## {row.relation}{_title(first)}"
    yield ""
    texts = {name: value for name, value in row.values.items() if _is_prose(value)}
    for name, value in row.values.items():
        if name not in texts:
            yield f"- {name}: {json.dumps(value, ensure_ascii=has_control(str(value)))}"
    yield f"- conf: {json.dumps(row.conf)}"
    yield f"- status: {row.status}"
    yield f"- owner: {_plain(row.owner)}"
    yield ""
    for name, value in texts.items():
        yield f"{name}:"
        yield ""
        yield from _fenced(value, "")
        yield ""


def _is_prose(value: Any) -> bool:
    return isinstance(value, str) and (" " in value or "\n" in value) and not has_control(value)


def _title(value: Any) -> str:
    """What a heading says beside the relation: only what cannot be read as markup."""
    return f" {_plain(shown(value))}" if value is not None else ""


def _plain(text: str) -> str:
    return re.sub(r"[^\w .:/,@-]", "·", printable(text, 60))


def _fenced(text: str, kind: str) -> list[str]:
    fence = "~" * max(3, 1 + max((len(run) for run in _TILDES.findall(text)), default=0))
    return [f"{fence}{kind}", text, fence]


def from_markdown(text: str, file: str) -> Edited:
    """An edited export; raises `UserError` with the line of what cannot be read."""
    lines = text.replace("\r\n", "\n").split("\n")
    head = next((m for line in lines if (m := _HEAD.fullmatch(line.strip()))), None)
    if head is None:
        raise UserError(
            f"{file}: the line `<!-- nesyc kb export: ... -->` is missing", "export again, and edit that"
        )
    about = _json(head[1], f"{file}: the export's line")
    rows = list(_entries(lines, file))
    return Edited(about["kb"], int(about["change"]), tuple(about["relations"]), bool(about["all"]), rows)


def _entries(lines: Sequence[str], file: str) -> Iterator[EditedRow]:
    relation, name = "", ""
    start, number = 0, 0
    fields: dict[str, Any] = {}
    while number < len(lines):
        line = lines[number]
        number += 1
        if line.startswith(("# ", "## ")):
            if relation:
                yield _row(relation, fields, f"{file}:{start}")
            words = line.split()
            relation, start, fields, name = (
                (words[1] if line.startswith("## ") and len(words) > 1 else ""),
                number,
                {},
                "",
            )
        elif match := _FENCE.fullmatch(line.strip()):
            body, number = _body(lines, number, match[1], file)
            if relation and name:
                fields[name] = body
            name = ""
        elif relation and (item := _ITEM.fullmatch(line.rstrip())):
            fields[item[1]] = (
                item[2].strip()
                if item[1] in ("status", "owner")
                else _json(item[2], f"{file}:{number}: `{item[1]}`")
            )
        elif relation and line.strip().endswith(":"):
            name = line.strip()[:-1]
        elif relation and line.strip():
            raise UserError(
                f"{file}:{number}: found {printable(line.strip(), 60)}",
                "write `- column: VALUE`, or `column:` and a fence",
            )
    if relation:
        yield _row(relation, fields, f"{file}:{start}")


def _body(lines: Sequence[str], start: int, fence: str, file: str) -> tuple[str, int]:
    for number in range(start, len(lines)):
        if lines[number].strip() == fence:
            return "\n".join(lines[start:number]), number + 1
    raise UserError(f"{file}:{start}: this fence is not closed", f"end it with {fence}")


def _row(relation: str, fields: dict[str, Any], place: str) -> EditedRow:
    conf, status = fields.pop("conf", None), fields.pop("status", None)
    fields.pop("owner", None)
    return EditedRow(relation, fields, conf, status, place)


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(
            f"{place}: found {printable(text, 60)}, expected a JSON value", 'texts stand in quotes: "..."'
        ) from None
