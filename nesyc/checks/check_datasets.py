"""Datasets: the fields of rows, and what the splits read."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.kb_symbols import check_type_ref
from nesyc.checks.kinds import POISON, Bound
from nesyc.checks.messages import duplicate, unknown_name
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


def check_datasets(tables: Tables) -> Iterator[Diagnostic]:
    """E0105, E0201, E0202 and E0308 of rows and splits."""
    enums = tables.symbols.enums
    for enum in enums.values():
        if not enum.constants and enum.span is not None:
            message = f"enum `{enum.name}` has no constants"
            help_ = Help(f"write `enum {enum.name} {{ low high }}`")
            yield Diagnostic("E0105", message, enum.span, "no values", help=help_)
    for name, dataset in tables.symbols.datasets.items():
        yield from check_fields(dataset.row, "field")
        for column in dataset.row:
            yield from check_type_ref(column.type, enums)
        splits = [split for split in tables.symbols.table["split"] if split.startswith(f"{name}.")]
        if not splits:
            help_ = Help('add `split train = jsonl("data/train.jsonl")`')
            message = f"dataset `{name}` has no split"
            yield Diagnostic("E0105", message, dataset.name.span, "no split", help=help_)
        fields = tuple(column.name.text for column in dataset.row)
        for source in {id(found): found for found in map(tables.sources.get, splits) if found}.values():
            yield from _check_source(source, fields)
        for split in dataset.splits:
            yield from _check_share(split, tables.sources.get(f"{name}.{split.name.text}"))


def check_fields(columns: tuple[ast.Column, ...], noun: str) -> Iterator[Diagnostic]:
    """E0202 for a field named twice."""
    first: dict[str, Span] = {}
    for column in columns:
        name = column.name
        if name.text in first:
            yield duplicate(noun, name.text, name.span, first[name.text])
        first.setdefault(name.text, name.span)


def _check_source(source: Bound, fields: tuple[str, ...]) -> Iterator[Diagnostic]:
    """Names of fields in `by`, `file_as` and the like, where the row type is known."""
    if source.name == "hash_split":
        names = source["by"]
        for name in names if names is not POISON and fields else ():
            if name.text not in fields:
                yield unknown_name("field of the row", name.text, name.span, fields)
        if not source.extra:
            message = "`hash_split` shares the rows among named parts"
            help_ = Help("write `train = 0.8, dev = 0.1, test = 0.1`")
            yield Diagnostic("E0308", message, source.span, "no parts", help=help_)
        shares = [share for share in source.extra.values() if isinstance(share, float)]
        if sum(shares) > 1 + 1e-9:
            message = f"the shares sum to {sum(shares):g}, at most 1 can be given away"
            yield Diagnostic("E0308", message, source.span, "more than the whole")
        if isinstance(source["source"], Bound):
            yield from _check_source(source["source"], fields)
        return
    for key in ("file_as", "index_as", "config_as"):
        name = source.values.get(key)
        if isinstance(name, str) and fields and name not in fields:
            yield unknown_name("field of the row", name, source.span_of(key), fields)


def _check_share(split: ast.Split, source: Bound | None) -> Iterator[Diagnostic]:
    """`split train = hash_split(...)` takes the share of its own name."""
    if (
        source is not None
        and source.name == "hash_split"
        and source.extra
        and split.name.text not in source.extra
    ):
        yield unknown_name("part of this hash_split", split.name.text, split.name.span, source.extra)
