"""The index: every name of the samples is known, and means what a reader takes it to mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesyc.index import Index, SymbolId, build_index
from nesyc.parsing.lexer import tokenize
from nesyc.pipeline import check_spec
from nesyc.workspace import Checked

ROOT = Path(__file__).resolve().parents[2]
KINSHIP = ROOT / "tests" / "samples" / "kinship" / "kinship.nesy"
SPECS = (KINSHIP, ROOT / "tests" / "samples" / "methods.nesy", ROOT / "specs" / "quickstart.nesy")

# Words of the language that are neither functions nor keys: types, choices, functions of items, annotations.
WORDS = frozenset(
    "highest_conf text int number bool date json usd vector split all_linear cosine required count concat status rejected correct"
    " optional augmented direct rationale answer_given cited_rate cost_usd characters full part E0402 learned run"
    " support against seen accepted proposed note origin conf on by prompt".split()
)


@pytest.fixture(scope="module")
def kinship() -> Checked:
    return check_spec(KINSHIP)


@pytest.fixture(scope="module")
def index(kinship: Checked) -> Index:
    return build_index(kinship.tables)


def named(index: Index, checked: Checked, symbol: SymbolId) -> list[str]:
    """`file:line` of every occurrence, a `!` at definitions."""
    sources = checked.loaded.sources
    found = []
    for one in index.of(symbol):
        text = checked.loaded.texts[one.span.file][one.span.start : one.span.end]
        assert text == symbol.name
        line = sources.place(one.span).line
        found.append(f"{Path(one.span.file).name}:{line}{'!' * one.is_definition}")
    return found


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_name_is_in_the_index(spec: Path) -> None:
    checked = check_spec(spec)
    index = build_index(checked.tables)
    for file, text in checked.loaded.texts.items():
        if not file.endswith(".nesy") or file.startswith("@"):
            continue
        known = {one.span.start for one in index.by_file.get(file, ())}
        known |= {one.span.start for one in index.built_ins.get(file, ())}
        missing = [
            f"{token.text} at {token.start}"
            for token in tokenize(text)
            if token.kind == "NAME" and token.start not in known and token.text not in WORDS
        ]
        assert not missing, file


def test_a_relation_in_facts_rules_claims_and_fragments(index: Index, kinship: Checked) -> None:
    assert named(index, kinship, SymbolId("relation", "kin", "family")) == [
        "kinship.nesy:38", "kinship.nesy:55!", "kinship.nesy:71", "kinship.nesy:72", "kinship.nesy:72",
        "kinship.nesy:77", "kinship.nesy:79", "kinship.nesy:117", "kinship.nesy:118", "learned.nesy:6",
        "learned.nesy:6", "learned.nesy:10", "learned.nesy:10",
    ]  # fmt: skip


def test_constants_columns_fields_and_holes(index: Index, kinship: Checked) -> None:
    assert named(index, kinship, SymbolId("constant", "aunt", "Kin")) == [
        "kinship.nesy:5!", "kinship.nesy:129", "learned.nesy:10",
    ]  # fmt: skip
    assert named(index, kinship, SymbolId("column", "rel", "family.kin")) == [
        "kinship.nesy:55!", "kinship.nesy:79"
    ]  # fmt: skip
    story = named(index, kinship, SymbolId("field", "story", "clutrr"))
    assert story == [
        "kinship.nesy:22!",
        "kinship.nesy:29!",
        "kinship.nesy:32",
        "kinship.nesy:84",
        "kinship.nesy:130",
    ]


def test_variables_belong_to_their_rule(index: Index, kinship: Checked) -> None:
    text = kinship.loaded.texts["tests/samples/kinship/kinship.nesy"]
    place = text.index("person(a), not sibling(a, _);")
    found = index.at("tests/samples/kinship/kinship.nesy", place + len("person("))
    assert found is not None and found.symbol.kind == "variable" and found.is_definition
    assert len(index.of(found.symbol)) == 3
    assert {kinship.loaded.sources.place(one.span).line for one in index.of(found.symbol)} == {74}


def test_stages_and_their_pipelines(index: Index, kinship: Checked) -> None:
    assert named(index, kinship, SymbolId("stage", "final", "distil")) == [
        "kinship.nesy:99!", "kinship.nesy:102", "kinship.nesy:109", "kinship.nesy:111",
    ]  # fmt: skip
    assert named(index, kinship, SymbolId("pipeline", "distil")) == [
        "kinship.nesy:93!", "kinship.nesy:102", "kinship.nesy:109", "kinship.nesy:112",
    ]  # fmt: skip


def test_stages_of_a_method_belong_to_the_method(tmp_path: Path) -> None:
    spec = tmp_path / "a.nesy"
    spec.write_text(
        'nesy 1\ninclude "@nesyc/methods/std_cot.nesy"\n'
        'dataset d { row (q: text key, a: int) split train = jsonl("t.jsonl") split test = jsonl("u.jsonl") }\n'
        'task t on d { input (q: text) output (answer: int) prompt = "{q}" parse answer = number() '
        "metric accuracy = mean(answer == a) }\n"
        'teacher big { endpoint = program("m:f") }\nstudent small { base = scratch(layers = 1) }\n'
        "pipeline p for t = std_cot(teacher = big, student = small, data = d.train)\n"
        "answer t with p.final { }\n",
        encoding="utf-8",
    )
    checked = check_spec(spec)
    index = build_index(checked.tables)
    final = named(index, checked, SymbolId("stage", "final", "method std_cot"))
    assert [one for one in final if not one.endswith("!")] == ["a.nesy:8"] and len(final) == 2
    assert named(index, checked, SymbolId("parameter", "teacher", "std_cot"))[:1] == ["a.nesy:7"]
    assert named(index, checked, SymbolId("method", "std_cot"))[0] == "a.nesy:7"


def test_a_spec_with_errors_has_an_index(tmp_path: Path) -> None:
    spec = tmp_path / "a.nesy"
    spec.write_text(
        "nesy 1\nkb k { relation p(a: text) rule r: q(x) :- p(x), nope(x; \n derived q(a: text) }", "utf-8"
    )
    checked = check_spec(spec)
    assert checked.spec is None
    assert build_index(checked.tables).definition(SymbolId("relation", "q", "k")) is not None
