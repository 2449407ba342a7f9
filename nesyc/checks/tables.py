"""All side tables of a spec: what the checks look at and what lowering reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nesyc.checks.constants import Constant
from nesyc.checks.fact_table import KbFacts, read_facts
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import Bound, CallOf
from nesyc.checks.memo import Memo
from nesyc.checks.params import resolve_params
from nesyc.checks.paths import Paths
from nesyc.checks.pipelines import StageInfo, check_method_bodies, resolve_stages
from nesyc.checks.rule_table import KbRules, analyse_kb
from nesyc.checks.signatures import BLOCKS, LOADERS
from nesyc.checks.symbols import Symbols, build_symbols
from nesyc.checks.tasks import TaskInfo, task_table
from nesyc.checks.values import Resolver
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.parsing.given import Given
from nesyc.parsing.project import Loaded
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class Tables:
    """`blocks[kind, name]` are settings with defaults; an answer's name is its place in the list.

    `sources[split]` is the bound loader (or hash_split) of a split.
    """

    loaded: Loaded
    symbols: Symbols
    paths: Paths
    params: Mapping[str, Constant]
    blocks: Mapping[tuple[str, str], Bound]
    sources: Mapping[str, Bound | None]
    stages: Mapping[str, StageInfo]
    tasks: Mapping[str, TaskInfo]
    rules: Mapping[str, KbRules]
    facts: Mapping[str, KbFacts]
    value_problems: tuple[Diagnostic, ...]
    memo: Memo

    def text_of(self, span: Span) -> str:
        """The source of a span."""
        return self.loaded.texts.get(span.file, "")[span.start : span.end]

    def resolver(self) -> Resolver:
        """A resolver for further values, with its own list of problems."""
        return Resolver(self.symbols, self.paths, self.params)


def build_tables(
    loaded: Loaded, profile: Mapping[str, Given], params: Mapping[str, Given], memo: Memo
) -> Tables:
    """Everything that is learned before the checks run. What is wrong with it is kept in the tables."""
    memo.begin()
    symbols = build_symbols(loaded.files)
    paths = Paths(loaded.project.root, loaded.project.roots)
    problems: list[Diagnostic] = []
    constants = resolve_params(symbols.params, symbols.enums, profile, params, problems)
    resolver = Resolver(symbols, paths, constants, problems=problems)

    def text_of(span: Span) -> str:
        return loaded.texts.get(span.file, "")[span.start : span.end]

    blocks = _blocks(symbols, resolver)
    sources = _sources(symbols, resolver, blocks)
    check_method_bodies(symbols, resolver)
    stages = resolve_stages(symbols, resolver)
    return Tables(
        loaded,
        symbols,
        paths,
        constants,
        blocks,
        sources,
        stages,
        task_table(symbols),
        {name: analyse_kb(kb, text_of, memo) for name, kb in symbols.kbs.items()},
        {name: _facts(kb, resolver, memo) for name, kb in symbols.kbs.items()},
        tuple(problems),
        memo,
    )


def _facts(kb: KbInfo, resolver: Resolver, memo: Memo) -> KbFacts:
    if any(block.source is not None for block in kb.facts):  # a file may have changed
        return read_facts(kb, kb.facts, resolver)
    context = (kb.scope, resolver.constants)
    return memo.group(("facts", kb.name), context, kb.facts, lambda: read_facts(kb, kb.facts, resolver))


def _blocks(symbols: Symbols, resolver: Resolver) -> dict[tuple[str, str], Bound]:
    found: dict[tuple[str, str], Bound] = {}

    def add(kind: str, name: ast.Ident, settings: Iterable[ast.Setting], key: str | None = None) -> None:
        found[kind, key or name.text] = resolver.block(BLOCKS[kind], name, settings)

    for teacher in symbols.teachers.values():
        add("teacher", teacher.name, teacher.settings)
    for student in symbols.students.values():
        add("student", student.name, student.settings)
    for embedder in symbols.embedders.values():
        add("embedder", embedder.name, embedder.settings)
    for dataset in symbols.datasets.values():
        add("dataset", dataset.name, dataset.settings)
    for task in symbols.tasks.values():
        add("task", task.name, task.settings)
    for kb in symbols.kbs.values():
        add("kb", kb.node.name, kb.settings)
    for retrieve in symbols.retrieves.values():
        add("retrieve", retrieve.name, retrieve.settings)
    for number, answer in enumerate(symbols.answers):
        add("answer", answer.task, answer.settings, str(number))
    for evaluate in symbols.evaluates.values():
        settings = [item for item in evaluate.items if isinstance(item, ast.Setting)]
        add("evaluate", evaluate.name, settings)
    return found


def _sources(
    symbols: Symbols, resolver: Resolver, blocks: Mapping[tuple[str, str], Bound]
) -> dict[str, Bound | None]:
    """The source of each split; those of `splits = hash_split(...)` share one call."""
    found: dict[str, Bound | None] = {}
    kind = CallOf((*LOADERS, "hash_split"))
    for name, dataset in symbols.datasets.items():
        for split in dataset.splits:
            bound = resolver.value(kind, split.source, f"split `{split.name.text}`")
            found.setdefault(f"{name}.{split.name.text}", bound if isinstance(bound, Bound) else None)
        shared = blocks["dataset", name]["splits"]
        for identity in symbols.table["split"]:
            if identity.startswith(f"{name}.") and identity not in found:
                found[identity] = shared if isinstance(shared, Bound) else None
    return found
