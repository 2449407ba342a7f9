"""E0603: held-out data in the lineage of anything but evaluation."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass

from nesyc.checks.kinds import Bound, Located, Symbol
from nesyc.checks.paths import Paths, has_wildcard
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.references import dotted, find_symbol
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class Leak:
    """A held-out split and why another place reads the same rows."""

    held: Symbol
    why: str
    evaluated: Span | None


def held_out(tables: Tables) -> dict[str, Span | None]:
    """The held-out splits: named `test`, or evaluated on (`dev` apart); with where they are evaluated on."""
    splits = tables.symbols.table["split"]
    found: dict[str, Span | None] = {name: None for name in splits if name.partition(".")[2] == "test"}
    for evaluate in tables.symbols.evaluates.values():
        path = dotted(evaluate.split)
        symbol = find_symbol(tables.symbols, path, ("split",), {}) if path else None
        if symbol is None or symbol.kind != "split" or symbol.id.partition(".")[2] == "dev":
            continue
        if found.get(symbol.id) is None:
            found[symbol.id] = evaluate.split.span
    return found


def check_lineage(tables: Tables) -> Iterator[Diagnostic]:
    """Each place where a stage, the facts of a KB or a tuned gate reads held-out rows, once."""
    held = held_out(tables)
    leaks = {split: leak for split in tables.symbols.table["split"] if (leak := _leak(tables, split, held))}
    for stage in tables.stages.values():
        if stage.bound is None:
            continue
        for argument, symbol in stage.symbols(("split",)):
            if symbol.id in leaks:
                what = f"stage `{stage.id}`"
                span = stage.bound.span_of(argument)
                yield _diagnostic(what, span, symbol, leaks[symbol.id])
        yield from _recorded(tables, stage, held)
    for name in tables.symbols.retrieves:
        gate = tables.blocks["retrieve", name]["gate"]
        tuned = gate["below"] if isinstance(gate, Bound) else None
        split = tuned["split"] if isinstance(tuned, Bound) else None
        if isinstance(split, Symbol) and split.id in leaks and isinstance(tuned, Bound):
            yield _diagnostic(f"the gate of `{name}`", tuned.span_of("split"), split, leaks[split.id])
    yield from _fact_files(tables, held)


def _leak(tables: Tables, split: str, held: dict[str, Span | None]) -> Leak | None:
    """How `split` reaches held-out rows: it is held out itself, or reads the same rows as one that is."""
    splits = tables.symbols.table["split"]
    if split in held:
        return Leak(splits[split], "", held[split])
    own = tables.sources.get(split)
    for other in held:
        theirs = tables.sources.get(other)
        if own is None or theirs is None or split == other:
            continue
        if _same_rows(tables.paths, own, theirs) and not _disjoint(own, split, theirs, other):
            return Leak(splits[other], "reads the same rows", held[other])
    return None


def _inner(source: Bound) -> Bound | None:
    if source.name != "hash_split":
        return source
    inner = source["source"]
    return inner if isinstance(inner, Bound) else None


def _same_rows(paths: Paths, left: Bound, right: Bound) -> bool:
    a, b = _inner(left), _inner(right)
    if a is None or b is None:
        return False
    if "path" in a.values and "path" in b.values:
        one, two = a["path"], b["path"]
        return isinstance(one, Located) and isinstance(two, Located) and overlap(paths, one, two)
    keys = {"generate": ("target", "n", "seed"), "hf_dataset": ("name", "split")}.get(a.name)
    if keys is None or a.name != b.name:
        return False
    return all(a[key] == b[key] for key in keys) and dict(a.extra) == dict(b.extra)


def _disjoint(left: Bound, one: str, right: Bound, two: str) -> bool:
    """Two different parts of the same hash_split."""
    if left.name != "hash_split" or right.name != "hash_split":
        return False
    if one.partition(".")[2] == two.partition(".")[2]:
        return False
    return _names(left) == _names(right) and list(left.extra.items()) == list(right.extra.items())


def _names(source: Bound) -> tuple[str, ...]:
    names = source["by"]
    return tuple(name.text for name in names) if isinstance(names, tuple) else ()


def overlap(paths: Paths, one: Located, two: Located) -> bool:
    """Whether two paths can name the same file, symbolic links resolved."""
    if (one.root, one.pattern) == (two.root, two.pattern):
        return True
    wild_one, wild_two = has_wildcard(one.pattern), has_wildcard(two.pattern)
    if not wild_one and not wild_two:
        return _real(paths, one) == _real(paths, two)
    if one.root != two.root:
        return False
    if wild_one and wild_two:
        return any(_matches(path, two.pattern) for path in _expanded(paths, one))
    pattern, plain = (one, two) if wild_one else (two, one)
    return _matches(plain.pattern, pattern.pattern)


def _real(paths: Paths, located: Located) -> str:
    try:
        return str(paths.file(located).resolve())
    except (OSError, RuntimeError):
        return str(paths.file(located))


def _expanded(paths: Paths, located: Located) -> Iterator[str]:
    base = paths.roots[located.root] if located.root else paths.root
    for pattern in braces(located.pattern):
        try:
            yield from (path.relative_to(base).as_posix() for path in base.glob(pattern))
        except (OSError, ValueError, NotImplementedError):
            continue


def _matches(path: str, pattern: str) -> bool:
    return any(fnmatch.fnmatchcase(path, one.replace("**/", "*")) for one in braces(pattern))


def braces(pattern: str) -> Iterator[str]:
    """`{a,b}.json` as `a.json` and `b.json`."""
    start, end = pattern.find("{"), pattern.find("}")
    if start < 0 or end < start:
        yield pattern
        return
    for word in pattern[start + 1 : end].split(","):
        yield from (f"{pattern[:start]}{word}{rest}" for rest in braces(pattern[end + 1 :]))


def _fact_files(tables: Tables, held: dict[str, Span | None]) -> Iterator[Diagnostic]:
    """Facts loaded from a held-out file stand in prompts and rules: they reach training."""
    for kb, facts in tables.facts.items():
        for file in facts.files:
            for split, evaluated in held.items():
                path = _path_of(tables, split)
                if path is not None and overlap(tables.paths, file.located, path):
                    symbol = tables.symbols.table["split"][split]
                    leak = Leak(symbol, "reads the same rows", evaluated)
                    yield _diagnostic(f"kb `{kb}`", file.span, None, leak)


def _recorded(tables: Tables, stage: StageInfo, held: dict[str, Span | None]) -> Iterator[Diagnostic]:
    """A teacher whose recorded answers stand in a held-out file."""
    assert stage.bound is not None
    for argument, teacher in stage.symbols(("teacher",)):
        endpoint = tables.blocks["teacher", teacher.id]["endpoint"]
        recorded = endpoint["path"] if isinstance(endpoint, Bound) and endpoint.name == "recorded" else None
        if not isinstance(recorded, Located):
            continue
        for split, evaluated in held.items():
            path = _path_of(tables, split)
            if path is not None and overlap(tables.paths, recorded, path):
                leak = Leak(tables.symbols.table["split"][split], "reads the same rows", evaluated)
                yield _diagnostic(f"stage `{stage.id}`", stage.bound.span_of(argument), teacher, leak)


def _path_of(tables: Tables, split: str) -> Located | None:
    """The file a split reads, where it reads one."""
    source = tables.sources.get(split)
    inner = _inner(source) if source else None
    path = inner.values.get("path") if inner else None
    return path if isinstance(path, Located) else None


def _diagnostic(what: str, span: Span, through: Symbol | None, leak: Leak) -> Diagnostic:
    related = [Related(leak.held.span, f"`{leak.held.id}` is declared here")]
    if leak.evaluated is not None:
        related.append(Related(leak.evaluated, "evaluated on here"))
    if leak.why and through is not None:
        message = f"{what} reads `{through.id}`, which reads the same rows as the held-out `{leak.held.id}`"
        related.append(Related(through.span, f"`{through.id}` is declared here"))
        help_ = Help(
            "share one file among splits by `splits = hash_split(...)`, so that no row is in two of them"
        )
    elif through is None:
        message = f"{what} loads facts from the file of the held-out `{leak.held.id}`"
        help_ = Help("keep test data out of the knowledge base")
    else:
        message = f"{what} reads the held-out `{leak.held.id}`"
        help_ = Help("train on another split; held-out data serves `evaluate` only")
    return Diagnostic("E0603", message, span, "test data reaches training", tuple(related), help=help_)
