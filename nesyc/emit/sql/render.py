"""The readable forms: schema.sql and rules.sql."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.emit.sql import dialect
from nesyc.emit.sql.layout import SYMBOLS
from nesyc.emit.sql.program import Program, StratumPlan
from nesyc.ir import nodes


def emit_schema(kb: nodes.Kb, program: Program) -> str:
    """schema.sql: plain SQLite, in order of creation, each relation under the line that declares it."""
    head = (
        f"Knowledge base `{kb.name}` ({kb.location.file}:{kb.location.line}).\n"
        f"Texts are held once, in {SYMBOLS}; the view with a relation's own name shows them."
    )
    parts = [dialect.comment(head)]
    for item in program.tables:
        note = dialect.comment(item.note) + "\n" if item.note else ""
        parts.append(f"{note}{item.sql};")
    return "\n\n".join(parts) + "\n"


def render_rules_sql(program: Program) -> str:
    """rules.sql: every statement under its name, each rule under its place and text."""
    head = (
        f"Rules of `{program.kb}` in order of evaluation, semantics {program.semantics}.\n"
        f"Texts are ids of {SYMBOLS}; :REL_lo and :REL_hi bound the rows of REL that are new in a round."
    )
    if any(stratum.by_confidence for stratum in program.strata):
        head += "\nRounds go in a few courses, the high confidences first: from :floor up to :ceiling."
    parts = [dialect.comment(head)]
    for number, stratum in enumerate(program.strata, 1):
        parts.extend(_stratum(program, number, stratum))
    for plan in program.constraints:
        parts.append(dialect.comment(program.notes[plan.name]))
        for index, variant in enumerate(plan.variants, 1):
            suffix = f".or{index}" if len(plan.variants) > 1 else ""
            parts.append(f"-- name: {plan.name}{suffix}\n{variant.instances};")
    return "\n\n".join(parts) + "\n"


def _stratum(program: Program, number: int, stratum: StratumPlan) -> Iterator[str]:
    rounds = "; the delta statements run in rounds until nothing is new" if stratum.delta else ""
    yield dialect.comment(f"stratum {number}: {', '.join(stratum.relations)}{rounds}")
    last = ""
    for title in (*stratum.base, *stratum.delta, *stratum.resolve):
        statement = program.statements[title]
        if statement.rule and statement.rule != last:
            yield dialect.comment(program.notes[statement.rule])
        last = statement.rule
        yield f"-- name: {statement.name}\n{statement.sql};"
