"""Running a KB of the IR on the engine, and reading what it derived."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nesyc.emit.sql import emit_program, emit_query
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.rules.query import query
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store, open_store


def open_kb(kb: ir.Kb, path: Path | None = None, files: dict[int, Path] | None = None) -> Store:
    store = open_store(path, config.Kb.model_validate(encode(kb)), emit_program(kb).to_json())
    sync_source(store, files)
    evaluate(store)
    return store


def ask(
    store: Store, kb: ir.Kb, *literals: ir.BodyLiteral, columns: tuple[str, ...] = (), limit: int = 0
) -> Any:
    return query(store, emit_query(kb, literals, columns).to_json(), limit=limit)


def derived(store: Store, kb: ir.Kb) -> dict[tuple[str, tuple[Any, ...]], float]:
    """Every fact queries see with its confidence."""
    facts = {}
    for relation in kb.relations:
        names = tuple(f"v{i}" for i in range(len(relation.columns)))
        terms = [ir.Var(n, c.type) for n, c in zip(names, relation.columns, strict=True)]
        atom = ir.AtomLiteral(relation.name, tuple(terms), relation.location, relation.name)
        for row in ask(store, kb, atom, columns=names)["rows"]:
            facts[relation.name, tuple(row["values"])] = row["conf"]
    return facts
