"""Entities as Wikidata writes them: a JSON object a line, or the lines of one array, as its dumps have them.

A column is `id`, `label`, `description` (in `language`) or a property. A property gives its statements of the best rank
(preferred ones where there are any, never deprecated ones); an entity gives a row for each way to choose one value a
column, and none where a column that must have a value has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from nesyc_runtime.files import printable
from nesyc_runtime.kb.sources.source import Bad, Found, Source
from nesyc_runtime.kb.storage.program import ColumnPlan

MOST = 10_000  # rows of one entity
DAY = 11  # the precision of a date in Wikidata's scale


def read_wikidata(source: Source) -> Found:
    """Rows numbered by line; a line that is no entity is a bad row."""
    with source.path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            text = line.strip().removeprefix("[").removesuffix("]").strip().strip(",").strip()
            if not text:
                continue
            try:
                rows = _rows(source, json.loads(text))
            except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
                reason = printable(f"{type(error).__name__}: {error}", 100)
                yield Bad(number, f"no entity: {reason}", text[:1000])
                continue
            for row in rows:
                yield number, row


def _rows(source: Source, entity: Mapping[str, Any]) -> list[Sequence[Any]]:
    choices = []
    total = 1
    for column in source.columns:
        called = source.file.columns.get(column.name)
        values = _values(entity, called, column, source.file.options["language"]) if called else []
        if not values and not column.nullable:
            return []
        choices.append(values or [None])
        total *= len(choices[-1])
    if total > MOST:
        raise ValueError(f"{total} rows of one entity, more than {MOST}")
    return list(product(*choices))


def _values(entity: Mapping[str, Any], called: str, column: ColumnPlan, language: str) -> list[Any]:
    if called == "id":
        return [entity["id"]]
    if called in ("label", "description"):
        found = entity.get(f"{called}s") or {}
        return [found[language]["value"]] if language in found else []
    statements = (entity.get("claims") or {}).get(called, [])
    ranked = [s for s in statements if s.get("rank") == "preferred"]
    ranked = ranked or [s for s in statements if s.get("rank", "normal") == "normal"]
    snaks = (statement["mainsnak"] for statement in ranked)
    values = [_value(snak["datavalue"], column) for snak in snaks if snak["snaktype"] == "value"]
    return list(dict.fromkeys(value for value in values if value is not None))


def _value(given: Mapping[str, Any], column: ColumnPlan) -> Any:
    value = given["value"]
    match given["type"]:
        case "wikibase-entityid":
            return value["id"]
        case "time":
            return _time(value, column)
        case "quantity":
            return value["amount"].removeprefix("+")
        case "monolingualtext":
            return value["text"]
        case "globecoordinate":
            return f"{value['latitude']},{value['longitude']}"
        case _:
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _time(value: Mapping[str, Any], column: ColumnPlan) -> str | None:
    """A date column takes what is known to the day; an int column the year; a text as much as is known."""
    sign, rest = value["time"][:1], value["time"][1:]
    year, month, day = rest.partition("T")[0].split("-")
    before = "-" if sign == "-" else ""
    precision = value["precision"]
    if column.base == "date":
        return f"{year}-{month}-{day}" if precision >= DAY and not before else None
    if column.base == "int":
        return f"{before}{int(year)}"
    return before + "-".join((year, month, day)[: max(1, min(precision, DAY) - 8)])
