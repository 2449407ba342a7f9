"""schema.sql and rules.sql: as a person reads them, and as plain SQLite runs them."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "kb"))

from samples import TEXT, atom, const, family, kb, relation, rule, var

from nesyc.emit.sql import dialect, emit_program, emit_query, emit_schema, render_rules_sql
from nesyc.ir import nodes as ir
from nesyc.server.hover import rule_sql

GOLDEN = Path(__file__).resolve().parent / "golden"


def test_schema_reads_well(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "family.schema.sql", emit_schema(family(), emit_program(family())))


def test_rules_read_well(golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / "family.rules.sql", render_rules_sql(emit_program(family())))
    weighted = dataclasses.replace(family(), semantics=ir.Semantics("max_product"))
    golden(GOLDEN / "family.max_product.rules.sql", render_rules_sql(emit_program(weighted)))


def test_schema_runs_in_plain_sqlite() -> None:
    plain = sqlite3.connect(":memory:")
    plain.executescript(emit_schema(family(), emit_program(family())))
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    assert plain.execute('SELECT count(*) FROM "Kin.enum"').fetchone() == (10,)
    assert plain.execute("SELECT * FROM kin").fetchall() == []
    plain.close()


def test_every_statement_of_the_program_compiles() -> None:
    for semantics in ("boolean", "max_min", "max_product", "top_proofs"):
        sample = dataclasses.replace(family(), semantics=ir.Semantics(semantics))  # type: ignore[arg-type]
        plain = sqlite3.connect(":memory:")
        plain.executescript(emit_schema(sample, emit_program(sample)))
        program = emit_program(sample)
        named = {f"{table.name}_{end}": 0 for table in program.relations for end in ("lo", "hi")}
        named |= {"row": 1, "floor": 0, "ceiling": 1}
        queries = [v.instances_of for r in (*program.rules, *program.constraints) for v in r.variants]
        for sql in (*(s.sql for s in program.statements.values()), *queries):
            plain.execute(f"EXPLAIN {sql}", named)
        plain.close()


def test_the_same_kb_gives_the_same_program_and_json_holds_it() -> None:
    first, second = emit_program(family()), emit_program(family())
    assert first == second
    assert json.loads(json.dumps(first.to_json()))["digest"] == first.digest
    assert (
        emit_program(dataclasses.replace(family(), semantics=ir.Semantics("boolean"))).digest != first.digest
    )


def test_a_delta_statement_starts_from_what_is_new_and_looks_the_rest_up() -> None:
    program = emit_program(family())
    plain = sqlite3.connect(":memory:")
    plain.executescript(emit_schema(family(), emit_program(family())))
    statement = program.statements["kin_chain.delta1"]
    rows = plain.execute(f"EXPLAIN QUERY PLAN {statement.sql}", {"kin_lo": 0, "kin_hi": 1}).fetchall()
    steps = [row[3] for row in rows]
    assert steps[0].startswith("SEARCH kin_1 USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)")
    assert all(step.startswith("SEARCH") and "AUTOMATIC" not in step for step in steps)
    plain.close()


@given(st.one_of(st.text(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.none(),
                 st.floats(allow_nan=False, allow_infinity=False)))  # fmt: skip
def test_a_literal_is_read_back_as_the_value(value: str | int | float | bool | None) -> None:
    if isinstance(value, str) and any(0xD800 <= ord(sign) < 0xE000 for sign in value):
        return  # SQLite holds UTF-8
    plain = sqlite3.connect(":memory:")
    found = plain.execute(f"SELECT {dialect.literal(value)}").fetchone()[0]
    assert found == value
    assert dialect.literal(value).isprintable()
    plain.close()


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_a_name_names_one_column_whatever_is_in_it(text: str) -> None:
    plain = sqlite3.connect(":memory:")
    plain.execute(f'CREATE TABLE "made.here" ({dialect.name(text)} TEXT)')
    assert [row[1] for row in plain.execute('PRAGMA table_info("made.here")')] == [text]
    plain.close()


def test_constants_of_a_query_are_bound() -> None:
    evil = '\'; DROP TABLE "kin.rows"; --'
    query = emit_query(family(), [atom("kin", const(evil), var("x"), var(None))], ["x"])
    assert evil not in query.sql and query.parameters == {"p0": evil}
    assert all(evil not in branch.sql for branch in query.branches)


def test_a_comment_cannot_be_left() -> None:
    evil = 'x\n; DROP TABLE "e.rows"; --\r\x1b[2J'
    sample = kb([relation("e", ("a", TEXT)), relation("d", ("a", TEXT), derived=True)], [],
                [dataclasses.replace(rule("r", atom("d", var("x")), atom("e", var("x"))), text=evil)], [["d"]])  # fmt: skip
    lines = render_rules_sql(emit_program(sample)).splitlines()
    assert all(line.startswith("--") for line in lines if "DROP" in line)
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize("semantics", ["boolean", "max_product"])
def test_an_editor_shows_the_statements_that_run(semantics: str) -> None:
    sample = dataclasses.replace(family(), semantics=ir.Semantics(semantics))  # type: ignore[arg-type]
    program = emit_program(sample)
    for declared in sample.rules:
        own = [one for one in program.statements.values() if one.rule == declared.name]
        assert own and rule_sql(sample, declared) == "\n\n".join(f"-- {one.name}\n{one.sql};" for one in own)
