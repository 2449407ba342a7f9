"""A rule as SQL statements: one per alternative for what holds already, one per recursive atom for each round.

Semi-naive evaluation by ranges of row numbers: rows get rising numbers as they are found, a round reads the rows
`(lo, hi]` of one atom as new, those of atoms before it up to `lo`, of atoms after it up to `hi`, so that each
combination with something new is seen once. A better confidence moves a row to a new number, so it is new again.

Under max_product, where no rule joins two of the recursion's relations, a round may leave the less confident of its
new rows for later, `:floor <= conf < :ceiling`: most of them get better before they are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nesyc.emit.sql import dialect
from nesyc.emit.sql.body import Order, Scope, compile_body, starting_with, written_order
from nesyc.emit.sql.branches import Branch, Placed, branches
from nesyc.emit.sql.layout import ROW, SYMBOLS, Layout, Table
from nesyc.emit.sql.program import Statement
from nesyc.emit.sql.select import Body, select
from nesyc.emit.sql.terms import Value, plain, stored, term_value
from nesyc.ir import nodes


@dataclass(frozen=True, slots=True)
class RuleStatements:
    """`searches`: (relation, columns) pairs that the rounds look rows up by, for indexes."""

    base: tuple[Statement, ...]
    delta: tuple[Statement, ...]
    searches: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def interns(self) -> bool:
        """Whether the rule gives ids to texts."""
        return any(statement.intern for statement in (*self.base, *self.delta))


def capped(rule: nodes.Rule, kb: nodes.Kb) -> float:
    """A rule's confidence under the ceiling of its origin."""
    return min(rule.confidence, ceiling_of(kb, rule.origin))


def ceiling_of(kb: nodes.Kb, origin: str) -> float:
    caps = {"human": kb.ceiling.human, "teacher": kb.ceiling.teacher, "unreviewed": kb.ceiling.unreviewed}
    return caps[origin]


def reads_by_confidence(layout: Layout, rules: Iterable[nodes.Rule], stratum: frozenset[str]) -> bool:
    """Whether rounds may read new rows in any order, and it pays: what two of them give together would be lost."""
    recursive = {
        sum(_reads(placed, stratum) for placed in branch) for rule in rules for branch in branches(rule.body)
    }
    return layout.kb.semantics.kind == "max_product" and max(recursive, default=0) == 1


def rule_statements(
    layout: Layout, rule: nodes.Rule, stratum: frozenset[str], *, by_confidence: bool
) -> RuleStatements:
    """The statements of one rule whose head is in the stratum of the relations `stratum`."""
    base: list[Statement] = []
    delta: list[Statement] = []
    searches: list[tuple[str, tuple[str, ...]]] = []
    alternatives = branches(rule.body)
    for number, branch in enumerate(alternatives, 1):
        suffix = f".or{number}" if len(alternatives) > 1 else ""
        recursive = [placed for placed in branch if _reads(placed, stratum)]
        if not recursive:
            base.extend(_statements(layout, rule, branch, stratum, f"{rule.name}{suffix}", None, searches))
        for index, placed in enumerate(recursive, 1):
            name = f"{rule.name}{suffix}.delta{index}"
            delta.extend(_statements(layout, rule, branch, stratum, name, placed, searches, by_confidence))
    return RuleStatements(tuple(base), tuple(delta), tuple(searches))


def _reads(placed: Placed, stratum: frozenset[str]) -> bool:
    literal = placed.literal
    return isinstance(literal, nodes.AtomLiteral) and not literal.negated and literal.relation in stratum


def _statements(
    layout: Layout, rule: nodes.Rule, branch: Branch, stratum: frozenset[str], name: str,
    new: Placed | None, searches: list[tuple[str, tuple[str, ...]]], by_confidence: bool = False,
) -> Iterator[Statement]:  # fmt: skip
    scope = Scope(layout, stratum)
    order: Order = written_order if new is None else starting_with(new)
    body = compile_body(scope, branch, order=order)
    for step in body.atoms[1:]:
        if step.searched:
            searches.append((step.atom.relation, step.searched))
    table = layout.tables[rule.head.relation]
    values = [term_value(term, body.bound, scope.constants) for term in rule.head.terms]
    ranges = tuple(_ranges(body, branch, new, stratum, by_confidence)) if new is not None else ()
    relation = None if new is None else _relation(new)
    for index, (value, column) in enumerate(zip(values, table.columns, strict=True)):
        if (
            column.interned
            and not value.interned
            and isinstance(rule.head.terms[index], (nodes.Var, nodes.Apply))
        ):
            rows = select([plain(value)], body, extra=(*ranges, f"{value.sql} IS NOT NULL"),
                          fixed=new is not None, distinct=True)  # fmt: skip
            sql = f"INSERT OR IGNORE INTO {dialect.name(SYMBOLS)} (text)\n{rows}"
            yield Statement(f"{name}.text{index + 1}", sql, rule.name, relation, intern=True)
    sql = _insert(layout, rule, table, values, body, ranges, fixed=new is not None)
    yield Statement(name, sql, rule.name, relation)


def _relation(placed: Placed) -> str:
    assert isinstance(placed.literal, nodes.AtomLiteral)
    return placed.literal.relation


def _ranges(
    body: Body, branch: Branch, new: Placed, stratum: frozenset[str], by_confidence: bool
) -> Iterator[str]:
    """The row range of each recursive atom in the round where `new` is the first to read new rows."""
    position = branch.index(new)
    for step in body.atoms:
        relation = step.atom.relation
        if relation not in stratum:
            continue
        row = f"{step.alias}.{ROW}"
        if step.placed is new:
            yield f"{row} > :{relation}_lo AND {row} <= :{relation}_hi"
            if by_confidence:
                yield f"{step.alias}.conf >= :floor AND {step.alias}.conf < :ceiling"
        else:
            limit = "lo" if branch.index(step.placed) < position else "hi"
            yield f"{row} <= :{relation}_{limit}"


def _insert(
    layout: Layout, rule: nodes.Rule, table: Table, values: Sequence[Value], body: Body,
    ranges: Sequence[str], *, fixed: bool,
) -> str:  # fmt: skip
    columns = [dialect.name(column.column) for column in table.columns]
    selected = [stored(value, column) for value, column in zip(values, table.columns, strict=True)]
    weighted = layout.kb.semantics.kind in ("max_min", "max_product")
    if not weighted:
        rows = select(selected, body, extra=ranges, fixed=fixed)
        return f"INSERT OR IGNORE INTO {dialect.name(table.rows)} ({', '.join(columns)})\n{rows}"
    needed = [
        f"{sql} IS NOT NULL"
        for sql, value, column in zip(selected, values, table.columns, strict=True)
        if not column.type.nullable and (value.computed or value.type.nullable)
    ]
    weight = combined(layout.kb.semantics.kind, dialect.number_literal(capped(rule, layout.kb)), body)
    rows = select([*selected, weight], body, extra=(*ranges, *needed, "true"), fixed=fixed)
    target = dialect.name(table.rows)
    return (
        f"INSERT INTO {target} ({', '.join([*columns, 'conf'])})\n{rows}\n"
        f"ON CONFLICT DO UPDATE SET {ROW} = excluded.{ROW}, conf = excluded.conf\n"
        f"WHERE excluded.conf > conf"
    )


def combined(semantics: str, own: str | None, body: Body) -> str:
    """The confidence of one instance: the product, or the least, of the rule's own and its atoms' as written.

    The order of multiplication decides the last digits, so it is the same however the atoms are joined.
    """
    atoms = sorted(body.atoms, key=lambda step: step.placed.path)
    parts = [*([own] if own is not None else []), *(f"{step.alias}.conf" for step in atoms)]
    if not parts or semantics == "boolean":
        return "1.0"
    if semantics == "max_min" and len(parts) > 1:
        return f"min({', '.join(parts)})"
    return " * ".join(parts)
