"""A KB: relations, facts, rules and the strata in which they are evaluated."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from nesyc.checks.annotations import find_annotation, is_active, status_of
from nesyc.checks.fact_table import FactRowInfo, KbFacts
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import Bound
from nesyc.checks.rule_graph import layers, rule_edges
from nesyc.checks.rule_table import BodyInfo
from nesyc.checks.scope import ColumnInfo, RelationInfo
from nesyc.diagnostics.span import Span
from nesyc.ir import nodes
from nesyc.ir.context import Lowering, lower_enums, lower_path, lower_type
from nesyc.ir.lower_rules import BodyLowering
from nesyc.syntax import nodes as ast

Analysed = Iterable[tuple[ast.Rule, BodyInfo]]
AnalysedForbids = Iterable[tuple[ast.Forbid, BodyInfo]]


def lower_kb(to: Lowering, kb: KbInfo) -> nodes.Kb:
    """A KB as the spec declares it."""
    found = to.tables.rules[kb.name]
    rules = zip(kb.rules, found.rules, strict=True)
    forbids = zip(kb.forbids, found.forbids, strict=True)
    return lower_kb_with(to, kb, rules, forbids, to.tables.facts[kb.name])


def lower_kb_with(
    to: Lowering, kb: KbInfo, rules: Analysed, forbids: AnalysedForbids, facts: KbFacts
) -> nodes.Kb:
    """A KB with these rules, constraints and facts (those of a test among them)."""
    bound = to.tables.blocks["kb", kb.name]
    listed = tuple(rules)
    lowered = tuple(_rule(to, kb, rule, info) for rule, info in listed)
    active = [rule for (rule, _), low in zip(listed, lowered, strict=True) if low.active]
    used = {column.type.enum for relation in kb.scope.relations.values() for column in relation.columns}
    return nodes.Kb(
        name=kb.name,
        store=bound["store"]["file"] if isinstance(bound["store"], Bound) else f"{kb.name}.db",
        semantics=_semantics(bound["semantics"]),
        ceiling=_ceiling(bound["ceiling"]),
        engine=bound["engine"],
        relations=tuple(_relation(to, kb, name) for name in kb.nodes),
        facts=tuple(_fact(to, row) for row in facts.rows if status_of(row.node.annotations) != "rejected"),
        fact_files=tuple(
            nodes.FactFile(
                file.relation,
                file.format,  # type: ignore[arg-type]
                lower_path(file.located),
                file.sha256,
                file.confidence,
                to.at(file.span),
                file.bad_rows,  # type: ignore[arg-type]
                file.columns,
                file.options,
            )
            for file in facts.files
        ),
        rules=lowered,
        constraints=tuple(_constraint(to, kb, forbid, info) for forbid, info in forbids),
        strata=strata(kb, active),
        enums=tuple(enum for enum in lower_enums(to) if enum.name in used),
        location=to.at(kb.node.name.span),
    )


def strata(kb: KbInfo, rules: Iterable[ast.Rule]) -> tuple[nodes.Stratum, ...]:
    """The derived relations in the order of evaluation, with the active rules that write each."""
    listed = tuple(rules)
    derived = [name for name, relation in kb.scope.relations.items() if relation.derived]
    edges = ((edge.head, edge.reads) for edge in rule_edges(listed))
    writers: dict[str, list[str]] = {}
    for rule in listed:
        writers.setdefault(rule.head.relation.text, []).append(rule.name.text)
    return tuple(
        nodes.Stratum(
            layer.relations,
            tuple(name for relation in layer.relations for name in writers.get(relation, ())),
            layer.recursive,
        )
        for layer in layers(derived, edges)
    )


def _semantics(value: Any) -> nodes.Semantics:
    return nodes.Semantics("top_proofs", value["k"]) if isinstance(value, Bound) else nodes.Semantics(value)


def _ceiling(value: Any) -> nodes.Ceiling:
    if not isinstance(value, Bound):
        return nodes.Ceiling()
    return nodes.Ceiling(value["human"], value["teacher"], value["unreviewed"])


def _relation(to: Lowering, kb: KbInfo, name: str) -> nodes.Relation:
    node, info = kb.nodes[name], kb.scope.relations[name]
    say = kb.says.get(name)
    unique = next((option for option in node.options if isinstance(option, ast.UniqueOption)), None)
    nearest = next((option for option in node.options if isinstance(option, ast.NearestOption)), None)
    provenance = [option for option in node.options if isinstance(option, ast.ProvenanceOption)]
    return nodes.Relation(
        name=name,
        derived=info.derived,
        columns=tuple(_column(info, node, column) for column in info.columns),
        key=info.key,
        indexes=tuple(
            tuple(column.text for column in option.columns)
            for option in node.options
            if isinstance(option, ast.ColumnsOption) and option.kind == "index"
        ),
        unique=nodes.Unique(info.unique, "highest_conf" if info.resolve else None) if unique else None,
        fulltext=info.fulltext,
        nearest=(nearest.column.text, nearest.metric.text) if nearest else None,
        provenance_required=any(option.mode.text == "required" for option in provenance),
        say=say.template.value if say else None,
        location=to.at(node.name.span),
    )


def _column(info: RelationInfo, node: ast.Relation, column: ColumnInfo) -> nodes.KbColumn:
    written = node.columns[info.column_names.index(column.name)]
    embed: tuple[str, str] | None = None
    if isinstance(written.value, ast.Call):
        by_name = {item.name.text: item.value for item in written.value.arguments if item.name}
        placed = [item.value for item in written.value.arguments if item.name is None]
        embedder = by_name.get("embedder") or placed.pop(0)
        source = by_name.get("column") or placed.pop(0)
        assert isinstance(embedder, ast.Name) and isinstance(source, (ast.Name, ast.Text))
        embed = (embedder.text, source.text if isinstance(source, ast.Name) else source.value)
    return nodes.KbColumn(column.name, lower_type(column.type), column.references, embed)


def _fact(to: Lowering, row: FactRowInfo) -> nodes.Fact:
    values = tuple(json.dumps(value) if isinstance(value, list) else value for value in row.values)
    origin, _ = origin_of(row.node.annotations)
    return nodes.Fact(row.relation, values, row.confidence, origin, to.at(row.span))


def origin_of(annotations: tuple[ast.Annotation, ...]) -> tuple[nodes.Origin, bool]:
    """(origin, active): what a person wrote, what a teacher wrote and a person accepted, what nobody has."""
    active = is_active(annotations)
    if find_annotation(annotations, "learned") is None:
        return "human", active
    return ("teacher" if active else "unreviewed"), active


def _own_span(rule: ast.Rule | ast.Forbid) -> Span:
    """The rule's text without the annotations before it."""
    start = max((annotation.span.end for annotation in rule.annotations), default=rule.span.start)
    return Span(rule.span.file, start, rule.span.end)


def _lowering(to: Lowering, kb: KbInfo, info: BodyInfo) -> BodyLowering:
    return BodyLowering(kb.scope, info.types, to.at, to.text)


def _trimmed(to: Lowering, span: Span) -> Span:
    text = to.sources.texts.get(span.file, "")
    start = span.start
    while start < span.end and text[start : start + 1].isspace():
        start += 1
    if text[start : start + 1] == "#":
        newline = text.find("\n", start, span.end)
        return _trimmed(to, Span(span.file, newline + 1, span.end)) if newline >= 0 else span
    return Span(span.file, start, span.end)


def _rule(to: Lowering, kb: KbInfo, rule: ast.Rule, info: BodyInfo) -> nodes.Rule:
    lowering, span = _lowering(to, kb, info), _trimmed(to, _own_span(rule))
    origin, active = origin_of(rule.annotations)
    return nodes.Rule(
        name=rule.name.text,
        confidence=float(rule.confidence.value) if rule.confidence else 1.0,
        head=lowering.atom(rule.head),
        body=lowering.body(rule.body),
        origin=origin,
        active=active,
        location=to.at(span),
        text=to.text(span),
    )


def _constraint(to: Lowering, kb: KbInfo, forbid: ast.Forbid, info: BodyInfo) -> nodes.Constraint:
    span = _trimmed(to, _own_span(forbid))
    return nodes.Constraint(
        name=forbid.name.text,
        confidence=float(forbid.confidence.value) if forbid.confidence else None,
        body=_lowering(to, kb, info).body(forbid.body),
        active=origin_of(forbid.annotations)[1],
        location=to.at(span),
        text=to.text(span),
    )
