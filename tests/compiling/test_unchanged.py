"""An unchanged spec is not even parsed; any change of what a build is made from is seen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nesyc import pipeline
from nesyc.emit.json_text import json_text
from nesyc.pipeline import compile_spec

SPEC = """nesy 1
kb k {
  relation p(a: int)
  derived q(a: int)
  facts p from csv("p.csv")
  rule base: q(a) :- p(a);
  include "rules/more.nesy"
}
task t on d { input (x: text) output (y: text) prompt = "{x}" parse y = last_match("(.*)") metric m = mean(y == y) }
dataset d { row (x: text, y: text) split train = jsonl("train.jsonl") }
teacher big { endpoint = program("teach:answer") }
pipeline learn for t {
  stage cot = sample(teacher = big, data = d.train)
  stage base = finetune(student = small, data = cot)
  stage errors = mine_errors(model = base, data = d.train, against = cot)
  stage rules = induce(teacher = big, data = errors, into = "rules/more.nesy")
}
student small { base = scratch(layers = 1, width = 8, tokenizer = .characters) }
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "p.csv").write_text("a\n1\n")
    (tmp_path / "teach.py").write_text("def answer(question):\n    return question\n")
    (tmp_path / "train.jsonl").write_text('{"x": "1", "y": "2"}\n')
    (tmp_path / "spec.nesy").write_text(SPEC)
    return tmp_path / "spec.nesy"


def compiled(spec: Path, params: dict[str, str] | None = None) -> pipeline.Compiled:
    return compile_spec(spec, spec.parent / "build", params=params)


def test_nothing_is_parsed(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = compiled(spec)
    assert first.changed, [one.message for one in first.diagnostics]
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "check_spec", lambda *_, **__: pytest.fail("the spec was read"))
        again = compiled(spec)
    assert (again.name, again.changed, again.diagnostics) == ("spec", False, ())
    assert set(again.files) == set(first.files)
    later = compiled(spec)
    assert later.spec == first.spec  # still there for those who ask


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("spec.nesy", SPEC.replace("rule base", "rule basis")),
        ("p.csv", "a\n2\n"),
        ("rules/more.nesy", "nesy 1\nfragment of k\nrule more: q(a) :- p(a), a > 3;\n"),
        ("nesyc.yaml", "spec: spec.nesy\n"),
        ("build/spec/schema.sql", "-- damaged\n"),
        ("build/spec/manifest.json", "{}"),
        ("build/spec/manifest.json", "[1]"),
        ("build/spec/manifest.json", "not json"),
    ],
)
def test_a_change_is_seen(spec: Path, file: str, text: str) -> None:
    assert compiled(spec).changed
    (spec.parent / file).parent.mkdir(exist_ok=True)
    (spec.parent / file).write_text(text)
    assert compiled(spec).changed
    assert not compiled(spec).changed


@pytest.mark.parametrize("key", ["sources", "fact_files", "awaited", "outputs", "warnings", "nesyc"])
def test_a_manifest_that_lacks_something_is_not_believed(spec: Path, key: str) -> None:
    compiled(spec)
    file = spec.parent / "build" / "spec" / "manifest.json"
    manifest = json.loads(file.read_text())
    del manifest[key]
    file.write_text(json.dumps(manifest))
    assert compiled(spec).changed


def test_a_root_that_leads_elsewhere_is_seen(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, value in (("one", 1), ("two", 2)):
        (spec.parent / folder).mkdir()
        (spec.parent / folder / "p.csv").write_text(f"a\n{value}\n")
    (spec.parent / "nesyc.yaml").write_text("roots: {bench: '${WHERE}'}\n")
    spec.write_text(SPEC.replace('"p.csv"', '"@bench/p.csv"'))
    for folder in ("one", "two"):
        monkeypatch.setenv("WHERE", folder)
        assert compiled(spec).changed
        assert not compiled(spec).changed


def test_warnings_are_shown_each_time(spec: Path) -> None:
    spec.write_text(SPEC.replace("p(a);", "p(a), p(once);"))
    for _ in range(2):
        assert [one.code for one in compiled(spec).diagnostics] == ["W0401"]


def test_another_spec_of_the_same_name_is_another(spec: Path) -> None:
    compiled(spec)
    other = spec.parent / "sub" / "spec.nesy"
    other.parent.mkdir()
    (other.parent / "p.csv").write_text("a\n1\n")
    other.write_text("nesy 1\nkb k { relation p(a: int) }\n")
    assert compile_spec(other, spec.parent / "build").changed
    assert compiled(spec).changed


def test_json_in_lines() -> None:
    value = {"a": [], "b": {"c": [1, {"d": [{"e": ["x", None, 1.5]}]}]}, "ü": "\n"}
    text = json_text(value)
    assert json.loads(text) == value
    assert text == (
        '{\n "a": [],\n "b": {\n  "c": [\n   1,\n   {\n    "d": [\n     {"e": ["x", null, 1.5]}\n    ]\n   }\n  ]\n },\n'
        ' "ü": "\\n"\n}\n'
    )
    with pytest.raises(ValueError, match="Out of range"):
        json_text({"a": float("nan")})
