"""Counts of facts in hovers: from a KB that is there, which is never made, changed or waited for."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.kb_info import StoredKbInfo
from nesyc.ir.nodes import Kb
from nesyc.pipeline import check_spec
from tests.server.client import editor

SPEC = """nesy 1
kb family {
  store = sqlite("family.db")
  relation parent(child: text, parent: text) { key (child, parent) }
  derived  ancestor(a: text, b: text)
  facts parent { ("ann", "bob") ("bob", "carl") ("carl", "dora") }
  rule base: ancestor(a, b) :- parent(a, b);
  rule step: ancestor(a, c) :- ancestor(a, b), parent(b, c);
}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    path = tmp_path / "family.nesy"
    path.write_text(SPEC, encoding="utf-8")
    return path


def evaluated(spec: Path) -> Path:
    result = CliRunner().invoke(app, ["query", "ancestor(x, y)", "--spec", str(spec), "--json"])
    assert result.exit_code == 0, result.output
    store = spec.parent / "family.db"
    assert store.is_file()
    return store


def kb_of(spec: Path) -> Kb:
    checked = check_spec(spec).spec
    assert checked is not None
    return checked.kbs[0]


def test_nothing_is_known_and_nothing_is_made_without_a_store(spec: Path) -> None:
    info, kb = StoredKbInfo(), kb_of(spec)
    before = sorted(path.name for path in spec.parent.iterdir())
    assert info.facts(spec, kb, "parent") is None
    assert info.derived_by(spec, kb, kb.rules[0]) is None
    assert sorted(path.name for path in spec.parent.iterdir()) == before


def test_counts(spec: Path) -> None:
    store = evaluated(spec)
    info, kb = StoredKbInfo(), kb_of(spec)
    before = {path.name: path.read_bytes() for path in spec.parent.iterdir() if path.is_file()}
    assert info.facts(spec, kb, "parent") == 3
    assert info.facts(spec, kb, "ancestor") == 6
    assert [info.derived_by(spec, kb, rule) for rule in kb.rules] == [3, 3]
    assert {path.name: path.read_bytes() for path in spec.parent.iterdir() if path.is_file()} == before
    with editor(spec.parent) as one:
        name = one.open(spec)
        assert "6 facts in the knowledge base" in one.hover(name, "derived  anc|estor")
        assert "3 facts follow from it" in one.hover(name, "rule st|ep")
    assert store.is_file()


def test_a_writer_is_not_waited_for(spec: Path) -> None:
    store = evaluated(spec)
    writer = sqlite3.connect(store, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    try:
        assert StoredKbInfo().facts(spec, kb_of(spec), "parent") in (3, None)
    finally:
        writer.rollback()
        writer.close()


def test_what_is_no_store_is_not_read(spec: Path) -> None:
    (spec.parent / "family.db").write_bytes(b"not a database" * 1000)
    assert StoredKbInfo().facts(spec, kb_of(spec), "parent") is None
    (spec.parent / "family.db").unlink()
    store = evaluated(spec)
    store.rename(spec.parent.parent / "outside.db")
    assert StoredKbInfo().facts(spec, replace(kb_of(spec), store="../outside.db"), "parent") is None
