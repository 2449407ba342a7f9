"""The reader of each form of fact file, by the name that the language gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.sources.database import read_sqlite
from nesyc_runtime.kb.sources.rdf import read_triples
from nesyc_runtime.kb.sources.source import Found, Source
from nesyc_runtime.kb.sources.tables import read_csv, read_jsonl, read_parquet
from nesyc_runtime.kb.sources.wikidata import read_wikidata
from nesyc_runtime.kb.storage.program import RelationPlan

READERS: Mapping[str, Callable[[Source], Found]] = {
    "csv": read_csv,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
    "triples": read_triples,
    "sqlite": read_sqlite,
    "wikidata": read_wikidata,
}


def source_of(file: config.FactFile, path: Path, relation: RelationPlan) -> Source:
    """The file as its readers take it; raises `UserError` (E0301) where triples do not fit the relation."""
    shown = f"@{file.path.root}/{file.path.pattern}" if file.path.root else file.path.pattern
    source = Source(file, path, shown, relation)
    wanted = 2 if "predicate" in file.options else 3
    if file.format == "triples" and len(source.columns) != wanted:
        raise UserError(
            f"{shown}: E0301: these triples need a relation of {wanted} columns, "
            f"`{relation.name}` has {len(source.columns)}"
        )
    return source


def read(source: Source) -> Found:
    """The rows of a fact file as a stream; raises `UserError` where the file as a whole cannot be read."""
    try:
        yield from READERS[source.file.format](source)
    except UnicodeDecodeError as error:
        raise UserError(
            f"{source.shown}: not UTF-8 text (byte {error.start})", "save the file as UTF-8"
        ) from None
    except OSError as error:
        raise UserError(f"{source.shown}: cannot be read: {error.strerror or error}") from None
