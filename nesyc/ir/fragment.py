"""A `fragment of KB` typed or edited by hand: its facts checked and lowered, its rules as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.checks.fact_values import fact_value
from nesyc.checks.scope import RuleScope
from nesyc.diagnostics import Diagnostic, SourceMap, counted
from nesyc.ir import nodes
from nesyc.ir.context import one_line
from nesyc.ir.query import find_kb, query_scope
from nesyc.parsing import parse_file
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class FragmentFact:
    """`values` by column, computed ones left out; `confidence` as written, 1 where it is not."""

    relation: str
    values: Mapping[str, nodes.Scalar]
    confidence: float
    line: int


@dataclass(frozen=True, slots=True)
class LoweredFragment:
    """`rules` are texts by name. Nothing but `diagnostics` where there are errors."""

    facts: tuple[FragmentFact, ...]
    rules: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]


def lower_fragment(spec: nodes.Spec, text: str, file: str, kb: str | None = None) -> LoweredFragment:
    """Parse, check and lower the facts of a fragment. Raises `KeyError` for a KB the spec does not have."""
    parsed = parse_file(file, text)
    if any(problem.severity == "error" for problem in parsed.diagnostics):
        return LoweredFragment((), {}, parsed.diagnostics)
    scope = query_scope(spec, find_kb(spec, kb))
    sources = SourceMap({file: text})
    problems: list[Diagnostic] = []
    facts: list[FragmentFact] = []
    rules: dict[str, str] = {}
    for item in _items(parsed.file):
        if isinstance(item, ast.Facts):
            facts += _facts(item, scope, sources, problems)
        elif isinstance(item, ast.Rule):
            rules[item.name.text] = one_line(text[item.span.start : item.span.end])
    return LoweredFragment((), {}, tuple(problems)) if problems else LoweredFragment(tuple(facts), rules, ())


def _items(file: ast.File) -> tuple[ast.KbItem, ...]:
    """The items of a fragment, or of the KBs of a whole file."""
    inside = (item for block in file.declarations if isinstance(block, ast.Kb) for item in block.items)
    return (*file.fragment_items, *inside)


def _facts(
    item: ast.Facts, scope: RuleScope, sources: SourceMap, problems: list[Diagnostic]
) -> list[FragmentFact]:
    relation = scope.relations.get(item.relation.text)
    if relation is None or relation.derived:
        what = "is no relation" if relation is None else "is derived: only rules fill it"
        code = "E0201" if relation is None else "E0407"
        problems.append(Diagnostic(code, f"`{item.relation.text}` {what}", item.relation.span, "here"))
        return []
    columns = [column for column in relation.columns if not column.computed]
    found = []
    for row in item.rows:
        if len(row.values) != len(columns):
            message = f"`{relation.name}` has {counted(len(columns), 'column')}, found {counted(len(row.values), 'value')}"
            problems.append(Diagnostic("E0301", message, row.span, "this row"))
            continue
        values = {
            column.name: fact_value(value, column, scope, {}, problems)
            for column, value in zip(columns, row.values, strict=True)
        }
        confidence = 1.0 if row.confidence is None else float(row.confidence.value)
        found.append(FragmentFact(relation.name, values, confidence, sources.place(row.span).line))
    return found
