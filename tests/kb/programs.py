"""A rule program in pieces: its text, what the compiler makes of it, and how a failing one is made small."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nesyc.ir import nodes as ir
from nesyc.pipeline import check_spec

SEMANTICS = ("boolean", "max_min", "max_product", "top_proofs")
COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class Fact:
    relation: str
    row: str
    origin: str


@dataclass(frozen=True)
class Rule:
    name: str
    confidence: float
    head: str
    body: tuple[str, ...]
    origin: str


@dataclass(frozen=True)
class Source:
    """A program in pieces; `str` gives its text, in which no origin can be written."""

    semantics: str
    ceiling: str
    relations: tuple[str, ...]
    facts: tuple[Fact, ...]
    rules: tuple[Rule, ...]
    constraints: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"semantics = {self.semantics}", f"ceiling = {self.ceiling}", *self.relations]
        lines += [f"facts {fact.relation} {{ {fact.row} }}" for fact in self.facts]
        lines += [f"rule {r.name} {r.confidence}: {r.head} :- {', '.join(r.body)};" for r in self.rules]
        lines += self.constraints
        body = "\n".join(f"  {line}" for line in lines)
        return f"nesy 1\nenum Colour {{ {' '.join(COLOURS)} }}\nkb test {{\n{body}\n}}\n"


def compiled(source: Source, folder: Path) -> ir.Kb | None:
    """The IR of a program, None where the checks refuse it; origins are set here, as text alone cannot."""
    path = folder / "program.nesy"
    checked = check_spec(path, unsaved={path: str(source)})
    if checked.spec is None:
        return None
    (kb,) = checked.spec.kbs
    origins = {rule.name: rule.origin for rule in source.rules}
    return replace(
        kb,
        facts=tuple(replace(f, origin=s.origin) for f, s in zip(kb.facts, source.facts, strict=True)),
        rules=tuple(replace(rule, origin=origins[rule.name]) for rule in kb.rules),
    )


def smallest(source: Source, fails: Callable[[Source], bool]) -> Source:
    """A program that still fails, from which no fact, rule, constraint or literal can be taken."""
    while True:
        smaller = next((one for one in _smaller(source) if fails(one)), None)
        if smaller is None:
            return source
        source = smaller


def _smaller(source: Source) -> Iterator[Source]:
    for index in range(len(source.constraints)):
        yield replace(source, constraints=_without(source.constraints, index))
    for index in range(len(source.rules)):
        yield replace(source, rules=_without(source.rules, index))
    for index in range(len(source.facts)):
        yield replace(source, facts=_without(source.facts, index))
    for index, rule in enumerate(source.rules):
        for literal in range(len(rule.body)):
            shorter = replace(rule, body=_without(rule.body, literal))
            if shorter.body:
                yield replace(source, rules=(*source.rules[:index], shorter, *source.rules[index + 1 :]))


def _without(items: tuple[Any, ...], index: int) -> tuple[Any, ...]:
    return (*items[:index], *items[index + 1 :])
