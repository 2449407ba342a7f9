"""Names with dots: `clutrr.train`, `distil.base`, `family.lesson`, and what they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nesyc.checks.kinds import Symbol
from nesyc.checks.messages import one_of, unknown_name
from nesyc.checks.symbols import Symbols
from nesyc.diagnostics import Diagnostic
from nesyc.syntax import nodes as ast

STAGE_KINDS = frozenset({"examples", "model", "errors", "entries", "rules"})
OWNERS = {"split": "dataset", "stage": "pipeline", "relation": "kb"}


def dotted(expr: ast.Expr) -> tuple[str, ...] | None:
    """`a.b.c` as its parts; None for anything that is no dotted name."""
    parts: list[str] = []
    while isinstance(expr, ast.Member):
        parts.append(expr.name.text)
        expr = expr.of
    if not isinstance(expr, ast.Name):
        return None
    return (expr.text, *reversed(parts))


def find_symbol(
    symbols: Symbols, path: tuple[str, ...], kinds: tuple[str, ...] | None, stages: Mapping[str, Symbol]
) -> Symbol | None:
    """What `path` names: one of `kinds` where it names several things; `stages` are in scope by short name."""
    candidates = list(_all(symbols, path, stages))
    wanted = next((symbol for symbol in candidates if kinds is None or symbol.kind in kinds), None)
    return wanted or next(iter(candidates), None)


def _all(symbols: Symbols, path: tuple[str, ...], stages: Mapping[str, Symbol]) -> Iterator[Symbol]:
    name = ".".join(path)
    if len(path) == 1 and name in stages:
        yield stages[name]
    for table in symbols.table.values():
        if name in table:
            yield table[name]
    if len(path) == 1:
        # A relation needs no KB before it where only one KB has it.
        found = [kb.name for kb in symbols.kbs.values() if name in kb.nodes]
        if len(found) == 1:
            yield symbols.table["relation"][f"{found[0]}.{name}"]
    elif len(path) == 2 and _may_be_stage(symbols, *path):
        yield Symbol("unknown", name, symbols.pipelines[path[0]].name.span, is_stage=True)


def _may_be_stage(symbols: Symbols, pipeline: str, stage: str) -> bool:
    """Whether a pipeline has such a stage as far as one can say: its method is unknown or called wrongly, which is reported."""
    found = symbols.expanded.get(pipeline)
    if found is None or found.stages or symbols.pipelines[pipeline].call is None:
        return False
    return found.method is None or stage in _stages_of_method(symbols, pipeline)


def _stages_of_method(symbols: Symbols, pipeline: str) -> list[str]:
    found = symbols.expanded.get(pipeline)
    return [] if found is None or found.method is None else [one.name.text for one in found.method.stages]


def unknown_reference(
    symbols: Symbols,
    expr: ast.Expr,
    path: tuple[str, ...],
    kinds: tuple[str, ...],
    stages: Mapping[str, Symbol],
) -> Diagnostic:
    """E0201 for a dotted name that names nothing, pointing at the part that is wrong."""
    tables = {"stage" if kind in STAGE_KINDS else kind for kind in kinds}
    noun = one_of(sorted(tables))
    if isinstance(expr, ast.Member) and len(path) == 2:
        for table in sorted(tables & OWNERS.keys()):
            owner = OWNERS[table]
            if path[0] in symbols.table[owner]:
                members = [
                    key.partition(".")[2] for key in symbols.table[table] if key.startswith(f"{path[0]}.")
                ] or _stages_of_method(symbols, path[0])
                return unknown_name(f"{table} of {owner} `{path[0]}`", path[1], expr.name.span, members)
        owners = [name for table in sorted(tables & OWNERS.keys()) for name in symbols.table[OWNERS[table]]]
        first = expr.of
        if owners:
            kind = one_of(sorted(OWNERS[table] for table in tables & OWNERS.keys()))
            return unknown_name(kind, path[0], first.span, owners)
    known = [*stages] if "stage" in tables else []
    for table in sorted(tables):
        known.extend(symbols.table[table])
    if "relation" in tables:
        known.extend(name for kb in symbols.kbs.values() for name in kb.nodes)
    return unknown_name(noun, ".".join(path), expr.span, known)
