"""The `datalog-conformance` suite (plain Datalog: basic, recursion, negation, errors) through real .nesy text.

Each program is translated once (`datalog_text`), written as a spec, checked, compiled, loaded and evaluated; a case
compares the predicates it names, or expects a diagnostic.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("datalog_conformance", reason="the suite comes with the extra `test`")

from datalog_conformance import get_tests_dir
from datalog_text import translate

from nesyc.emit.sql import emit_program, emit_query
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc.ir.query import lower_query
from nesyc.pipeline import check_spec
from nesyc_runtime import config
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.rules.query import query
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store, open_store

PLAIN = ("basic", "recursion", "negation", "errors")
CASES = 114
LARGE = {"souffle_example_hmmer", "souffle_example_lubm"}
FILES = sorted(path for folder in PLAIN for path in (get_tests_dir() / folder).glob("*.yaml"))

# What the suite calls an error, as a diagnostic.
ERRORS = {
    "arity_mismatch": "E0301",
    "cyclic_negation": "E0403",
    "unbound_variable": "E0401",
    "safety_violations": "E0401",
}

# `not banned(X, Y)` with Y in no other literal must be an error here, while six cases of negation/nemo_negation.yaml
# (projectedXY, projectedYZ, projectedXZ, projectedX, projectedY, projectedZ) take the same form as "no Y at all".
# A translation cannot do both; it follows the six.
WAIVED = {"unsafe_negation_variable_only_in_negative_literal": {"ok": {("alice",)}}}


@dataclass(frozen=True)
class Outcome:
    """What one program gives: the rows of every predicate, or the codes of its errors."""

    rows: Mapping[str, set[tuple[Any, ...]]]
    types: Mapping[str, tuple[str, ...]]
    errors: tuple[str, ...]


def cases_of(path: Path) -> list[Mapping[str, Any]]:
    """The cases of a file. An alias stays one object, so cases of one program share its rules and facts."""
    raw = yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return raw.get("tests", [raw])


def run(program: Mapping[str, Any], wanted: set[str], folder: Path) -> Outcome:
    translation = translate(program.get("facts", {}), program.get("rules", []))
    spec = folder / "suite.nesy"
    spec.write_text(translation.text, encoding="utf-8")
    for name, text in translation.files.items():
        (folder / name).write_text(text, encoding="utf-8", newline="")
    checked = check_spec(spec)
    if checked.spec is None:
        codes = tuple(one.code for one in checked.diagnostics if one.severity == "error")
        return Outcome({}, translation.types, codes)
    (kb,) = checked.spec.kbs
    files = {index: folder / file.path.pattern for index, file in enumerate(kb.fact_files)}
    with open_store(None, config.Kb.model_validate(encode(kb)), emit_program(kb).to_json()) as store:
        sync_source(store, files)
        evaluate(store)
        rows = {name: read(checked.spec, kb, store, name) for name in sorted(wanted)}
    return Outcome(rows, translation.types, ())


def read(spec: ir.Spec, kb: ir.Kb, store: Store, name: str) -> set[tuple[Any, ...]]:
    relation = next(one for one in kb.relations if one.name == name)
    asked = lower_query(spec, f"{name}({', '.join(f'v{i}' for i in range(len(relation.columns)))})")
    assert asked.diagnostics == ()
    found = query(store, emit_query(kb, asked.literals, asked.columns).to_json(), limit=0)
    return {tuple(row["values"]) for row in found["rows"]}


def typed(rows: list[list[Any]], types: tuple[str, ...]) -> set[tuple[Any, ...]]:
    """Expected rows as the columns hold them; a column with one text in it holds texts only."""
    return {tuple(str(v) if t == "text" else v for v, t in zip(row, types, strict=True)) for row in rows}


def check(case: Mapping[str, Any], outcome: Outcome) -> None:
    if case["name"] in WAIVED:
        assert outcome.rows["ok"] == WAIVED[case["name"]]["ok"]
        return
    if "expect_error" in case:
        assert ERRORS[case["expect_error"]] in outcome.errors
        return
    assert outcome.errors == ()
    for name, rows in case["expect"].items():
        assert outcome.rows[name] == typed(rows, outcome.types[name]), name


@pytest.mark.parametrize(
    "path",
    [pytest.param(f, id=f.stem, marks=[pytest.mark.slow] if f.stem in LARGE else []) for f in FILES],
)
def test_every_case_of_the_file(path: Path, tmp_path: Path, subtests: pytest.Subtests) -> None:
    programs: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
    for case in cases_of(path):
        same = (id(case["program"].get("facts")), id(case["program"].get("rules")))
        programs.setdefault(same, []).append(case)
    for cases in programs.values():
        wanted = {name for case in cases for name in case.get("expect", WAIVED.get(case["name"], {}))}
        outcome = run(cases[0]["program"], wanted, tmp_path)
        for case in cases:
            with subtests.test(case["name"]):
                check(case, outcome)


def test_the_suite_has_the_cases_we_speak_of() -> None:
    """Counted without reading 20 MB of YAML: a case's name is the first key at its depth."""
    starts = ("name: ", "- name: ")
    found = sum(
        line.startswith(starts) for path in FILES for line in path.read_text(encoding="utf-8").splitlines()
    )
    assert found == CASES
