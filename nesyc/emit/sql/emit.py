"""A KB compiled: its tables and its rule program."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

from nesyc.emit.sql.dialect import name
from nesyc.emit.sql.explain import constraint_plan, rule_plan
from nesyc.emit.sql.layout import ROW, Layout, Table, lay_out
from nesyc.emit.sql.program import (
    ColumnPlan,
    Program,
    RelationPlan,
    SchemaObject,
    Statement,
    StratumPlan,
)
from nesyc.emit.sql.rules import RuleStatements, reads_by_confidence, rule_statements
from nesyc.emit.sql.scans import bound_to_sqlite, finished_relations, rule_scans
from nesyc.emit.sql.schema import create_table, fulltext_table, schema_objects, set_columns
from nesyc.emit.sql.terms import symbol_text
from nesyc.ir import nodes
from nesyc.ir.encode import encode

VERSION = 1


def emit_program(kb: nodes.Kb) -> Program:
    """The rule program of a KB; the same KB gives the same program on any machine.

    Proposals are no part of it: writing one changes nothing that runs.
    """
    kb = replace(kb, rules=tuple(rule for rule in kb.rules if rule.active))
    layout = lay_out(kb)
    compiled = _compiled(layout)
    rules = {rule.name: rule for rule in kb.rules}
    peers = {rule: frozenset(stratum.relations) for stratum in kb.strata for rule in stratum.rules}
    strata = tuple(_stratum(layout, stratum, compiled, rules) for stratum in kb.strata)
    statements: dict[str, Statement] = {}
    for result in compiled.values():
        statements |= {statement.name: statement for statement in (*result.base, *result.delta)}
    for table in layout.tables.values():
        if table.resolved:
            statements |= {statement.name: statement for statement in _resolve(layout, table)}
    program = Program(
        v=VERSION,
        kb=kb.name,
        dialect="sqlite",
        semantics=kb.semantics.kind,
        k=kb.semantics.k,
        ceiling=encode(kb.ceiling),
        tables=_schema(layout, compiled, strata),
        relations=tuple(_relation_plan(table) for table in layout.tables.values()),
        constants=tuple(sorted(set(_constants(kb)))),
        statements=statements,
        strata=strata,
        bound_to=bound_to_sqlite(kb, [name for name, result in compiled.items() if result.interns]),
        resolve=tuple(
            f"{t.name}.resolve" for t in layout.tables.values() if t.resolved and not t.relation.derived
        ),
        rules=tuple(rule_plan(layout, rules[r], peers[r]) for r in compiled),
        constraints=tuple(constraint_plan(layout, c) for c in kb.constraints if c.active),
        notes=dict(_notes(kb)),
        digest="",
    )
    return replace(program, digest=_digest(program))


def _schema(
    layout: Layout, compiled: dict[str, RuleStatements], strata: Iterable[StratumPlan]
) -> tuple[SchemaObject, ...]:
    """The objects of the store, indexes for the rules included."""
    read = {name for stratum in strata for name in stratum.reads}
    stored = {name for name in read if not layout.tables[name].relation.derived}
    return schema_objects(layout, _searches(compiled), stored)


def _compiled(layout: Layout) -> dict[str, RuleStatements]:
    """The statements of each active rule, in order of evaluation."""
    rules = {rule.name: rule for rule in layout.kb.rules if rule.active}
    compiled: dict[str, RuleStatements] = {}
    for stratum in layout.kb.strata:
        own = [rules[name] for name in stratum.rules if name in rules]
        peers = frozenset(stratum.relations)
        ordered = reads_by_confidence(layout, own, peers)
        compiled |= {rule.name: rule_statements(layout, rule, peers, by_confidence=ordered) for rule in own}
    return compiled


def _searches(compiled: dict[str, RuleStatements]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The lookups that rounds make again and again; what runs once is left to the engine."""
    return tuple(search for result in compiled.values() if result.delta for search in result.searches)


def _stratum(
    layout: Layout,
    stratum: nodes.Stratum,
    compiled: dict[str, RuleStatements],
    declared: dict[str, nodes.Rule],
) -> StratumPlan:
    rules = tuple(rule for rule in stratum.rules if rule in compiled)
    own = [declared[name] for name in rules]
    peers = frozenset(stratum.relations)
    plan = StratumPlan(
        relations=stratum.relations,
        rules=rules,
        base=tuple(s.name for rule in rules for s in compiled[rule].base),
        delta=tuple(s.name for rule in rules for s in compiled[rule].delta),
        resolve=tuple(f"{r}.resolve" for r in stratum.relations if layout.tables[r].resolved),
        scans=tuple(scan for rule in own for scan in rule_scans(layout, rule, peers)),
        finished=finished_relations(own),
        interns=any(compiled[rule].interns for rule in rules),
        by_confidence=reads_by_confidence(layout, own, peers),
        digest="",
    )
    names = sorted({*plan.relations, *plan.finished, *(name for scan in plan.scans for name in scan.sources)})
    deciding = [
        layout.kb.semantics.kind,
        encode(plan),
        [
            compiled_sql.sql
            for rule in rules
            for compiled_sql in (*compiled[rule].base, *compiled[rule].delta)
        ],
        [
            list(_resolve(layout, layout.tables[name])) if layout.tables[name].resolved else name
            for name in names
        ],
        [create_table(layout, layout.tables[name]) for name in names],
        _places(layout, names),
    ]
    return replace(plan, digest=_digest(deciding))


def _places(layout: Layout, names: Iterable[str]) -> list[tuple[str, ...]]:
    """The constants, in order, by which ties between rows of these relations are broken."""
    tables = (layout.tables[name] for name in names)
    enums = {column.type.enum for table in tables if table.resolved for column in table.columns}
    return [(enum.name, *enum.constants) for enum in layout.kb.enums if enum.name in enums]


def _digest(value: object) -> str:
    text = json.dumps(encode(value), ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _resolve(layout: Layout, table: Table) -> Iterator[Statement]:
    """The winners of `unique (...) resolve highest_conf`: most confident first, ties in column order.

    Compared to 12 digits: the order in which an engine multiplies must not decide.
    """
    unique = table.relation.unique
    assert unique is not None
    order = ["round(conf, 12) DESC"] if layout.weighted or not table.relation.derived else []
    for column in table.columns:
        source = name(column.column)
        if column.type.enum is not None and column.type.enum in layout.enums:
            order.append(
                f"(SELECT place FROM {name(layout.enums[column.type.enum])} WHERE symbol = {source})"
            )
        else:
            order.append(symbol_text(source) if column.interned else source)
    groups = ", ".join(name(table.column(column).column) for column in unique.columns)
    rows = name(table.rows)
    columns = [ROW, *(name(column.column) for column in table.columns)]
    if not table.relation.derived:
        columns += ["conf", "origin", "status", "owner", "written", "line", "provenance"]
    elif layout.weighted:
        columns.append("conf")
    listed = ", ".join(columns)
    sql = (
        f"INSERT INTO {name(table.reads)} ({listed})\nSELECT {listed} FROM {rows} WHERE {ROW} IN (\n"
        f"  SELECT {ROW} FROM (\n    SELECT {ROW}, row_number() OVER (PARTITION BY {groups} ORDER BY "
        f"{', '.join(order)}) AS place FROM {rows}\n  ) WHERE place = 1\n)"
    )
    yield Statement(f"{table.name}.resolve", sql, "", None)


def _relation_plan(table: Table) -> RelationPlan:
    embedded = {column.name for column in table.relation.columns if column.embed is not None}
    return RelationPlan(
        name=table.name,
        derived=table.relation.derived,
        view=table.view,
        rows=table.rows,
        reads=table.reads,
        columns=tuple(
            ColumnPlan(
                c.name, c.column, c.type.base, c.type.nullable, c.type.enum, c.type.size, c.interned,
                c.name in table.relation.key, c.name in embedded,
            )
            for c in table.columns
        ),
        set=set_columns(table),
        fulltext=fulltext_table(table),
        came=f"{table.prefix}.came",
        gone=f"{table.prefix}.gone",
    )  # fmt: skip


def _constants(kb: nodes.Kb) -> Iterator[str]:
    """Texts that heads of rules write: they need an id before the rules run."""
    for rule in kb.rules:
        for term in rule.head.terms:
            if isinstance(term, nodes.Const) and isinstance(term.value, str):
                yield term.value


def _notes(kb: nodes.Kb) -> Iterator[tuple[str, str]]:
    named: tuple[nodes.Rule | nodes.Constraint, ...] = (*kb.rules, *kb.constraints)
    for rule in named:
        yield rule.name, f"{rule.location.file}:{rule.location.line}\n{rule.text}"
