"""Facts as Wikidata's entities: for a relation that `wikidata(...)` fills, by the names it reads there.

Each fact is an entity of its own, a line, with a statement for every column that has a value: read again, they are the
same facts. A relation that is filled otherwise has no property numbers, and none are made up.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.exchange.facts_out import columns_of, facts_of
from nesyc_runtime.kb.storage.program import ColumnPlan, RelationPlan
from nesyc_runtime.kb.storage.store import Store

ENTITY = re.compile(r"[QPL][1-9][0-9]*")
TEXTS = ("label", "description")
DAY = 11  # the precision of a date in Wikidata's scale


def write_wikidata(store: Store, plan: RelationPlan, file: Path, base: str) -> int:
    """Raises `UserError` where no fact file of the relation says what its columns are called there."""
    declared = next(
        (one for one in store.kb.fact_files if one.relation == plan.name and one.format == "wikidata"), None
    )
    if declared is None or "id" not in declared.columns.values():
        raise UserError(
            f"`{plan.name}` is not filled from Wikidata's entities: what their ids and properties are is not known",
            'use nt or ttl, or a relation with  facts R from wikidata(..., columns = { who = "id", ... })',
        )
    count = 0
    with file.open("w", encoding="utf-8", newline="") as lines:
        for entity in _entities(store, plan, declared.columns, declared.options.get("language", "en")):
            lines.write(json.dumps(entity, ensure_ascii=False) + "\n")
            count += 1
    return count


def _entities(
    store: Store, plan: RelationPlan, called: Mapping[str, str], language: str
) -> Iterator[dict[str, Any]]:
    columns = columns_of(plan)
    for row in facts_of(store, plan):
        entity: dict[str, Any] = {"type": "item", "id": "", "labels": {}, "descriptions": {}, "claims": {}}
        for column, value in zip(columns, row, strict=False):
            name = called.get(column.name)
            if name is None or value is None:
                continue
            if name == "id":
                entity["id"] = value
            elif name in TEXTS:
                entity[f"{name}s"][language] = {"language": language, "value": value}
            else:
                entity["claims"][name] = [_statement(name, column, value)]
        yield entity


def _statement(name: str, column: ColumnPlan, value: Any) -> dict[str, Any]:
    snak = {"snaktype": "value", "property": name, "datavalue": _datavalue(column, value)}
    return {"mainsnak": snak, "type": "statement", "rank": "normal"}


def _datavalue(column: ColumnPlan, value: Any) -> dict[str, Any]:
    match column.base:
        case "int" | "number" | "usd":
            sign = "" if value < 0 else "+"
            return {"type": "quantity", "value": {"amount": f"{sign}{json.dumps(value)}", "unit": "1"}}
        case "date":
            return {"type": "time", "value": {"time": f"+{value}T00:00:00Z", "precision": DAY}}
        case _:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            if ENTITY.fullmatch(text):
                return {"type": "wikibase-entityid", "value": {"entity-type": "item", "id": text}}
            return {"type": "string", "value": text}
