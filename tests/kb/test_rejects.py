"""Rows of fact files that do not fit: stopped at, or left out and shown, never half of either."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import open_kb
from samples import INT, KIN, KIN_NAMES, PLACE, TEXT, at, fact, kb, relation
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.sources.rejects import rejected
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.program import ColumnPlan
from nesyc_runtime.kb.storage.store import Store, open_store
from nesyc_runtime.kb.storage.values import BadValue, to_column, to_columns

GOOD = "a,n\nx,1\n"


def table(*facts: ir.Fact, bad_rows: str = "reject", format: str = "csv") -> ir.Kb:
    file = ir.FactFile("t", format, ir.Path("", f"f.{format}"), "0" * 64, 1.0, PLACE, bad_rows)  # type: ignore[arg-type]
    return kb([relation("t", ("a", TEXT), ("n", INT), key=["a"])], facts, [], [], fact_files=[file])


def load(folder: Path, text: str, kb_: ir.Kb, name: str = "f.csv") -> Store:
    (folder / name).write_text(text, encoding="utf-8")
    store = open_store(folder / "kb.db", config.Kb.model_validate(encode(kb_)), emit_program(kb_).to_json())
    try:
        sync_source(store, {0: folder / name}, folder / "rejects")
    except BaseException:
        store.close()
        raise
    return store


def bad(folder: Path) -> list[list[str]]:
    with (folder / "rejects" / "t.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


MANY = 'a,n\nx,1\ny,one\nz\nx,2\n\nw,"3"x\nv,5\n'


def test_bad_rows_are_left_out_and_stand_in_the_reject_file(tmp_path: Path) -> None:
    with load(tmp_path, MANY, table()) as store:
        assert store.execute("SELECT a, n FROM t ORDER BY a").fetchall() == [("v", 5), ("x", 1)]
        assert rejected(store) == [f"4 rows of `t` did not fit and were left out: see {_shown(tmp_path)}"]
    header, *rows = bad(tmp_path)
    assert header == ["file", "row", "reason", "cells"]
    assert [(row[0], row[1], row[2][:24], json.loads(row[3])) for row in rows] == [
        ("f.csv", "3", "E0302: column `n` found ", {"a": "y", "n": "one"}),
        ("f.csv", "4", "1 cells, the header name", ["z"]),
        ("f.csv", "7", "not CSV: ',' expected af", 'w,"3"x'),
        ("f.csv", "5", "E0503: a second row of `", {"a": "x", "n": 2}),
    ]
    assert list((tmp_path / "rejects").iterdir()) == [tmp_path / "rejects" / "t.csv"]


def _shown(folder: Path) -> str:
    return "/".join((*(folder / "rejects").parts[-3:], "t.csv"))


def test_a_mended_file_removes_the_reject_file_and_the_warning(tmp_path: Path) -> None:
    load(tmp_path, MANY, table()).close()
    mended = table()
    again = ir.FactFile(**{**_fields(mended.fact_files[0]), "sha256": "1" * 64})
    with load(tmp_path, GOOD, kb(mended.relations, (), [], [], fact_files=[again])) as store:
        assert rejected(store) == [] and not (tmp_path / "rejects" / "t.csv").exists()
        assert store.execute("SELECT a, n FROM t").fetchall() == [("x", 1)]


def _fields(file: ir.FactFile) -> dict[str, Any]:
    return {name: getattr(file, name) for name in file.__dataclass_fields__}


def test_a_strict_load_shows_all_bad_rows_and_loads_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load(tmp_path, MANY, table(bad_rows="stop"))
    assert caught.value.message.startswith("f.csv:3: E0302: column `n` found 'one', expected an int")
    assert "and 2 more bad rows; they stand in" in caught.value.message
    assert [row[1] for row in bad(tmp_path)[1:]] == ["3", "4", "7"]


def test_a_key_of_the_text_stands_before_that_of_a_file(tmp_path: Path) -> None:
    with load(tmp_path, "a,n\nx,1\ny,2\n", table(fact("t", "x", 9))) as store:
        assert store.execute("SELECT a, n FROM t ORDER BY a").fetchall() == [("x", 9), ("y", 2)]
    assert [row[:2] for row in bad(tmp_path)[1:]] == [["f.csv", "2"]]


def test_bad_json_lines_are_rows_too(tmp_path: Path) -> None:
    text = '{"a": "x", "n": 1}\nnot json\n[1]\n{"a": "\\ud800", "n": "2"}\n{"n": 3}\n{"a": "z", "n": true}\n'
    with load(tmp_path, text, table(format="jsonl"), "f.jsonl") as store:
        assert [row[0] for row in store.execute("SELECT a FROM t ORDER BY n")] == ["x", "?"]
    assert [row[1] for row in bad(tmp_path)[1:]] == ["2", "3", "5", "6"]


def test_many_rows_go_in_by_the_thousand_with_index_and_log(tmp_path: Path) -> None:
    """More rows than one batch, then more again over what is there: indexes and triggers are as before."""
    text = "a,n\n" + "".join(f"k{i},{i}\n" for i in range(6000))
    with load(tmp_path, text, table()) as store:
        before = store.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        assert store.execute("SELECT count(*), count(DISTINCT a), sum(n) FROM t").fetchone() == (
            6000,
            6000,
            17997000,
        )
        assert {row[0] for row in store.execute("SELECT rows FROM (SELECT last - row + 1 AS rows FROM \"nesyc.version\")")} == {6000}  # fmt: skip
    more = "a,n\n" + "".join(f"k{i},{i}\n" for i in range(3000, 20000))
    file = ir.FactFile(**{**_fields(table().fact_files[0]), "sha256": "1" * 64})
    with load(tmp_path, more, kb(table().relations, (), [], [], fact_files=[file])) as store:
        assert store.execute("SELECT min(n), max(n), count(*) FROM t").fetchone() == (3000, 19999, 17000)
        assert store.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall() == before
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


CELLS = st.one_of(
    st.none(), st.text(max_size=3), st.sampled_from(["1", " 2", "1_0", "+07", "nan", "1e3", "true", *KIN_NAMES[:2]]),
    st.integers(-(2**64), 2**64), st.floats(), st.booleans(), st.lists(st.integers(), max_size=1),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(CELLS, max_size=6),
    st.sampled_from(["text", "int", "number", "usd", "bool", "date", "json", "enum"]),
    st.booleans(),
)
def test_columns_are_typed_as_their_values_one_by_one(values: list[Any], base: str, nullable: bool) -> None:
    column = ColumnPlan(name="c", column="c", base=base, nullable=nullable, enum="Kin" if base == "enum" else None,
                        size=None, interned=False, key=False, computed=False)  # fmt: skip
    enums = {"Kin": KIN_NAMES}
    quick = to_columns(values, column, enums)
    if quick is None:
        return
    try:
        slow = [to_column(value, column, enums) for value in values]
    except BadValue as error:
        raise AssertionError(f"taken at once: {values}") from error
    assert [(type(one), one) for one in quick] == [(type(one), one) for one in slow]


SPEC = """nesy 1
kb k {
  relation t(a: text, n: int) { key (a) }
  facts t from csv("f.csv"%s)
}
"""


def test_the_command_warns_and_goes_on_or_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nesyc.yaml").touch()
    Path("f.csv").write_text(MANY, encoding="utf-8")
    Path("k.nesy").write_text(SPEC % ", bad_rows = .reject", encoding="utf-8")
    ran = CliRunner().invoke(app, ["query", "t(a, n)", "--json"])
    assert ran.exit_code == 0 and json.loads(ran.stdout)["total"] == 2
    assert "warning: 4 rows of `t` did not fit and were left out: see .nesy/rejects/k/t.csv" in ran.stderr
    assert len(Path(".nesy/rejects/k/t.csv").read_text(encoding="utf-8").splitlines()) == 5
    Path("k.nesy").write_text(SPEC % "", encoding="utf-8")
    assert CliRunner().invoke(app, ["query", "t(a, n)"]).exit_code == 1


def test_enum_constants_of_no_declaration_are_rows(tmp_path: Path) -> None:
    file = ir.FactFile("t", "csv", ir.Path("", "f.csv"), "0" * 64, 1.0, PLACE, "reject")
    kin = kb(
        [relation("t", ("k", KIN))], [], [], [], fact_files=[file], enums=[ir.Enum("Kin", KIN_NAMES, at(1))]
    )
    (tmp_path / "f.csv").write_text("k\nfather\ncousin\n", encoding="utf-8")
    with open_kb(kin, None, {0: tmp_path / "f.csv"}) as store:
        assert store.execute("SELECT k FROM t").fetchall() == [("father",)]
        assert rejected(store) == ["1 row of `t` did not fit and was left out"]
