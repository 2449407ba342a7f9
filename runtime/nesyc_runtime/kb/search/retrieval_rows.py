"""Rows of a KB as retrieval needs them: typed values, the sentence `say` makes, whose questions they came from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.proofs.graph import sentence
from nesyc_runtime.kb.storage.program import RelationPlan
from nesyc_runtime.kb.storage.rows import quote
from nesyc_runtime.kb.storage.store import Store

SYMBOLS, CLAIMS = '"nesyc.symbol"', '"nesyc.claim"'
REJECTED = "rejected"
# Of a derived fact: its confidence is capped by the origins of what it stands on, so it needs no status of its own.
DERIVED = {"origin": "derived", "status": "accepted", "owner": "rules"}


@dataclass(frozen=True, slots=True)
class KbRow:
    """`number` is its `_row`, `values` by column, `implicit` its conf, origin, status, owner; `vectors` float32 as bytes.

    `sentence` is what `say` makes of it, None without `say`; `sources` the keys (`words.input_key`) of the
    items it was drawn from.
    """

    relation: str
    number: int
    derived: bool
    key: tuple[Any, ...]
    values: Mapping[str, Any]
    implicit: Mapping[str, Any]
    vectors: Mapping[str, bytes]
    sentence: str | None
    sources: frozenset[str]

    def fact(self) -> dict[str, Any]:
        """The FACT object of the contracts."""
        args = [
            list(memoryview(self.vectors[name]).cast("f")) if name in self.vectors else value
            for name, value in self.values.items()
        ]
        return {"relation": self.relation, "args": args, "text": self.sentence}


def read_rows(
    store: Store,
    name: str,
    where: Mapping[str, Any] | None = None,
    *,
    numbers: Collection[int] | None = None,
) -> Iterator[KbRow]:
    """The rows that queries see of relation `name`, in the order of their numbers.

    Of those, where given, the ones with the values `where` by column and with one of the `numbers`. Rejected rows are
    never among them. Raises `UserError` for an unknown relation.
    """
    plan, relation = store.relation(name), store.declared[name]
    weighted = store.program.semantics != "boolean"
    sources = _sources(store, plan, numbers) if not relation.derived else {}
    sql, bound = _select(plan, where or {}, numbers, weighted=weighted)
    for record in store.execute(sql, bound):
        row = _row(relation, plan, record, sources)
        if row.implicit["status"] != REJECTED:
            yield row


def read_columns(store: Store, name: str, places: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """The distinct values that rows of relation `name` have in the columns at `places`, rejected rows apart."""
    plan = store.relation(name)
    chosen = [plan.columns[place] for place in places]
    shown, joins = ["1"], []
    for number, column in enumerate(chosen):
        shown.append(f"s{number}.text" if column.interned else f"r.{quote(column.column)}")
        if column.interned:
            joins.append(f"LEFT JOIN {SYMBOLS} AS s{number} ON s{number}.id = r.{quote(column.column)}")
    where = ""
    if not plan.derived:
        where = f" WHERE r.status IS NOT (SELECT id FROM {SYMBOLS} WHERE text = '{REJECTED}')"
    sql = f"SELECT DISTINCT {', '.join(shown)} FROM {quote(plan.reads)} AS r {' '.join(joins)}{where}"
    for _, *values in store.execute(sql):
        yield tuple(_value(column.base, value) for column, value in zip(chosen, values, strict=True))


def _listed(numbers: Collection[int]) -> str:
    return ", ".join(str(int(number)) for number in sorted(numbers))


def _select(
    plan: RelationPlan, where: Mapping[str, Any], numbers: Collection[int] | None, *, weighted: bool
) -> tuple[str, list[Any]]:
    shown, joins, conditions, bound = ["r._row"], [], [], []

    def text_of(column: str, alias: str) -> str:
        joins.append(f"LEFT JOIN {SYMBOLS} AS {alias} ON {alias}.id = r.{quote(column)}")
        return f"{alias}.text"

    for number, column in enumerate(plan.columns):
        plain = f"r.{quote(column.column)}"
        shown.append(text_of(column.column, f"s{number}") if column.interned else plain)
        if column.name in where:
            value = f"(SELECT id FROM {SYMBOLS} WHERE text = ?)" if column.interned else "?"
            given = where[column.name]
            conditions.append(f"{plain} IS NULL" if given is None else f"{plain} = {value}")
            bound += [] if given is None else [given]
    shown.append("r.conf" if weighted or not plan.derived else "1.0")
    if not plan.derived:
        shown += [text_of(name, f"i_{name}") for name in ("origin", "status", "owner")]
    if numbers is not None:
        conditions.append(f"r._row IN ({_listed(numbers)})")
    filtered = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = (
        f"SELECT {', '.join(shown)} FROM {quote(plan.reads)} AS r {' '.join(joins)}{filtered} ORDER BY r._row"
    )
    return sql, bound


def _row(
    relation: config.Relation,
    plan: RelationPlan,
    record: tuple[Any, ...],
    sources: Mapping[int, frozenset[str]],
) -> KbRow:
    columns = plan.columns
    values: dict[str, Any] = {}
    vectors: dict[str, bytes] = {}
    for column, value in zip(columns, record[1:], strict=False):
        if column.base == "vector" and value is not None:
            vectors[column.name] = value
        values[column.name] = None if column.base == "vector" else _value(column.base, value)
    conf, *implicit = record[1 + len(columns) :]
    names = ("origin", "status", "owner")
    shown = dict(zip(names, implicit, strict=True)) if implicit else DERIVED
    key = relation.key or tuple(name for name in values if name not in vectors)
    return KbRow(
        relation.name,
        record[0],
        relation.derived,
        tuple(values[name] for name in key),
        values,
        {"conf": conf, **shown},
        vectors,
        sentence(relation, tuple(values.values())),
        sources.get(record[0], frozenset()),
    )


def _value(base: str, value: Any) -> Any:
    return bool(value) if base == "bool" and value is not None else value


def _sources(store: Store, plan: RelationPlan, numbers: Collection[int] | None) -> dict[int, frozenset[str]]:
    """By row, the keys of the items that any of its owners drew it from."""
    found: dict[int, set[str]] = defaultdict(set)
    own = f"SELECT _row, provenance FROM {quote(plan.rows)} WHERE provenance IS NOT NULL"
    claimed = f"SELECT row, provenance FROM {CLAIMS} WHERE relation = ? AND provenance IS NOT NULL"
    if numbers is not None:
        own += f" AND _row IN ({_listed(numbers)})"
        claimed += f" AND row IN ({_listed(numbers)})"
    records: Iterable[tuple[int, str]] = [
        *store.execute(own),
        *store.execute(claimed, (plan.name,)),
    ]
    for row, provenance in records:
        found[row].update(provenance_inputs(provenance))
    return {row: frozenset(keys) for row, keys in found.items()}


def provenance_inputs(provenance: str) -> list[str]:
    """The keys of its sources' inputs; none where the text is no provenance of a stage."""
    try:
        value = json.loads(provenance)
    except (ValueError, RecursionError):
        return []
    inputs = value.get("inputs") if isinstance(value, dict) else None
    return [key for key in inputs if isinstance(key, str)] if isinstance(inputs, list) else []
