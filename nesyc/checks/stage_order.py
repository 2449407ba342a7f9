"""Which stage waits for which: by its inputs, and through a KB that one writes and another reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import Bound, Located, Symbol
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.rule_graph import layers
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic, Help, Related

Order = Mapping[str, tuple[str, ...]]


def stage_order(tables: Tables) -> Order:
    """The stages each stage waits for. One with `retrieve = R` waits for all that write into R's KB."""
    writers: dict[str, list[str]] = {}
    for stage in tables.stages.values():
        for kb in _written_kbs(tables, stage, ()):
            writers.setdefault(kb, []).append(stage.id)
    return {
        stage.id: tuple(dict.fromkeys((*stage.reads, *writers.get(_read_kb(tables, stage) or "", ()))))
        for stage in tables.stages.values()
    }


def _read_kb(tables: Tables, stage: StageInfo) -> str | None:
    retrieve = stage.bound.values.get("retrieve") if stage.bound is not None else None
    if not isinstance(retrieve, Symbol) or retrieve.id not in tables.symbols.retrieves:
        return None
    return tables.symbols.retrieves[retrieve.id].kb.text


def _written_kbs(tables: Tables, stage: StageInfo, seen: tuple[str, ...]) -> set[str]:
    """The KBs into which a stage writes entries or rules, or out of which it takes some of them."""
    bound = stage.bound
    if bound is None or stage.id in seen:
        return set()
    if bound.name == "validate":
        sources = [tables.stages[symbol.id] for symbol in united(bound["of"]) if symbol.id in tables.stages]
        return {kb for source in sources for kb in _written_kbs(tables, source, (*seen, stage.id))}
    if bound.name == "induce":
        kb = target_kb(tables, bound)
        return {kb.name} if kb is not None else set()
    into = bound.values.get("into")
    return {into.id.partition(".")[0]} if isinstance(into, Symbol) else set()


def check_stage_cycles(tables: Tables) -> Iterator[Diagnostic]:
    """E0701, once for each cycle."""
    stages, order = tables.stages, stage_order(tables)
    edges = ((identity, other) for identity, others in order.items() for other in others)
    for layer in layers(stages, edges):
        if not layer.recursive:
            continue
        first = stages[layer.relations[0]]
        way = _cycle(first.id, layer.relations, order)
        others = tuple(
            Related(stages[name].node.name.span, f"`{name}` is part of the cycle") for name in way[1:]
        )
        yield Diagnostic(
            "E0701",
            f"stage `{first.id}` depends on itself",
            first.node.name.span,
            label="part of a cycle",
            related=others[:4],
            notes=(f"the cycle: {_shown(tables, [*way, first.id])}",),
            help=Help(_way_out(tables, [*way, first.id])),
        )


def _way_out(tables: Tables, way: list[str]) -> str:
    """What to do about a cycle: where it goes through a KB, a stage that reads it waits for all that write there."""
    for one, two in pairwise(way):
        if two not in tables.stages[one].reads:
            kb = _read_kb(tables, tables.stages[one])
            return f"let `{two}` write into a KB of its own: `{one}` waits for all that write into `{kb}`"
    return "let one of them read an earlier stage"


def _shown(tables: Tables, way: list[str]) -> str:
    """`a -> b -> a`, with the KB named where one stage waits for another only because of it."""
    text = way[0]
    for one, two in pairwise(way):
        through = (
            "" if two in tables.stages[one].reads else f" (through kb {_read_kb(tables, tables.stages[one])})"
        )
        text += f"{through} -> {two}"
    return text


def _cycle(start: str, members: tuple[str, ...], order: Order) -> list[str]:
    """A shortest way from `start` back to itself, without the return."""
    came: dict[str, str] = {}
    queue = [start]
    for name in queue:
        for other in order[name]:
            if other == start:
                way = [name]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return way[::-1]
            if other in members and other not in came:
                came[other] = name
                queue.append(other)
    return [start]


def target_kb(tables: Tables, bound: Bound) -> KbInfo | None:
    """The KB an `induce` stage writes rules for: named, or the one that includes its file, or the only one."""
    if isinstance(bound["kb"], Symbol):
        return tables.symbols.kbs[bound["kb"].id]
    located = bound["into"]
    for kb in tables.symbols.kbs.values():
        for include in kb.includes:
            found = tables.paths.locate(include.path.value, include.path.span)
            if not isinstance(found, Located) or not isinstance(located, Located):
                continue
            if (found.root, found.pattern) == (located.root, located.pattern):
                return kb
    return next(iter(tables.symbols.kbs.values())) if len(tables.symbols.kbs) == 1 else None


def validated_model(stages: Mapping[str, StageInfo], bound: Bound) -> Symbol | None:
    """The model of a `validate` stage: named, or the one whose errors led to all that is validated."""
    named = bound["model"]
    if isinstance(named, Symbol):
        return named
    found: set[Symbol] = set()
    ways = list(united(bound["of"]))
    seen: set[str] = set()
    while ways:
        current = ways.pop()
        stage = stages[current.id].bound if current.id in stages else None
        if stage is None or current.id in seen:
            continue
        seen.add(current.id)
        if stage.name == "mine_errors" and isinstance(stage["model"], Symbol):
            found.add(stage["model"])
        elif stage.name != "mine_errors":
            ways += united(stage.values.get("of") or stage.values.get("data"))
    return found.pop() if len(found) == 1 else None


def united(value: object) -> tuple[Symbol, ...]:
    """The symbols of a `United` value; none where it was wrong."""
    return tuple(item for item in value if isinstance(item, Symbol)) if isinstance(value, tuple) else ()
