"""The kinship sample: clean, and lowered to what it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc.pipeline import check_spec
from nesyc.workspace import Checked

SAMPLE = Path(__file__).parents[1] / "samples" / "kinship" / "kinship.nesy"
GOLDEN = Path(__file__).parents[1] / "golden" / "ir" / "kinship.json"
TEXT = nodes.Type("text")
KIN = nodes.Type("enum", enum="Kin")


@pytest.fixture(scope="module")
def checked() -> Checked:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(SAMPLE.parent)
        return check_spec(SAMPLE)


@pytest.fixture(scope="module")
def spec(checked: Checked) -> nodes.Spec:
    assert checked.spec is not None
    return checked.spec


def test_it_is_clean(checked: Checked) -> None:
    assert checked.diagnostics == ()


def test_the_runtime_reads_back_what_the_compiler_writes(spec: nodes.Spec) -> None:
    config = pytest.importorskip("nesyc_runtime.config")
    text = json.dumps(encode(spec))
    assert json.loads(config.Spec.model_validate_json(text).model_dump_json()) == json.loads(text)


def test_the_whole_ir_is_golden(spec: nodes.Spec, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN, json.dumps(encode(spec), indent=1, ensure_ascii=False) + "\n")


def test_strata_come_in_the_order_of_evaluation(spec: nodes.Spec) -> None:
    assert [(layer.relations, layer.rules, layer.recursive) for layer in spec.kbs[0].strata] == [
        (("sibling",), ("sib",), False),
        (("kin",), ("kin_base", "kin_chain", "uncle_1"), True),
        (("only_child",), ("no_sib",), False),
        (("sibling_count",), ("sib_n",), False),
    ]


def test_annotations_decide_origin_and_whether_a_rule_is_active(spec: nodes.Spec) -> None:
    found = {rule.name: (rule.origin, rule.active) for rule in spec.kbs[0].rules}
    assert found["kin_chain"] == ("human", True)
    assert found["uncle_1"] == ("teacher", True)
    assert found["aunt_7"] == ("unreviewed", False)


def test_a_rule_keeps_its_place_and_text_without_annotations(spec: nodes.Spec) -> None:
    rule = next(rule for rule in spec.kbs[0].rules if rule.name == "uncle_1")
    assert rule.text.startswith("rule uncle_1 0.88: kin(a, c, .uncle) :-")
    lines = (SAMPLE.parent / "rules" / "learned.nesy").read_text(encoding="utf-8").splitlines()
    assert rule.location.file.endswith("rules/learned.nesy")
    assert lines[rule.location.line - 1].startswith("rule uncle_1")


def test_variables_and_constants_have_the_types_of_their_columns(spec: nodes.Spec) -> None:
    rule = next(rule for rule in spec.kbs[0].rules if rule.name == "uncle_1")
    assert rule.head.terms == (nodes.Var("a", TEXT), nodes.Var("c", TEXT), nodes.Const("uncle", KIN))
    last = rule.body[-1]
    assert isinstance(last, nodes.AtomLiteral)
    assert last.terms == (nodes.Var(None, TEXT), nodes.Var("c", TEXT), nodes.Const("father", KIN))


def test_an_aggregate_knows_its_groups(spec: nodes.Spec) -> None:
    rule = next(rule for rule in spec.kbs[0].rules if rule.name == "sib_n")
    aggregate = rule.body[1]
    assert isinstance(aggregate, nodes.AggregateLiteral)
    assert (aggregate.function, aggregate.groups) == ("count", ("a",))
    assert aggregate.result == nodes.Var("n", nodes.Type("int"))


def test_gold_comes_from_the_first_metric(spec: nodes.Spec) -> None:
    assert spec.tasks[0].target == {"answer": "label"}
    assert spec.tasks[0].metrics[1].group == nodes.ColumnRef("row", "hops")


def test_defaults_are_filled_in(spec: nodes.Spec) -> None:
    stage = next(stage for stage in spec.pipelines[0].stages if stage.id == "distil.base")
    assert isinstance(stage, nodes.FinetuneStage)
    assert (stage.tasks, stage.weights, stage.batch, stage.schedule, stage.loss) == (
        ("direct",),
        (1.0,),
        8,
        "cosine",
        "cross_entropy",
    )
    assert spec.students[0].max_new_tokens == 256


def test_held_out_is_the_test_split_only(spec: nodes.Spec) -> None:
    assert {split.name: split.held_out for split in spec.datasets[0].splits} == {
        "train": False,
        "dev": False,
        "test": True,
    }


def test_requirements_fold_params_and_name_models(spec: nodes.Spec) -> None:
    first, second = spec.evaluates[0].requires
    assert first.text == "accuracy >= distil.base.accuracy + 0.02"
    assert isinstance(first.condition, nodes.Operation)
    assert isinstance(second.condition, nodes.Operation)
    assert second.condition.arguments[1] == nodes.Const(25.0, nodes.Type("usd"))
    assert spec.evaluates[0].students == ("small", "distil.base", "distil.final")


def test_an_expected_error_is_found_and_not_reported(spec: nodes.Spec) -> None:
    (expected,) = next(test for test in spec.tests if test.name == "negation must be bound").expectations
    assert isinstance(expected, nodes.ExpectError)
    assert expected.found == ("E0402",)


def test_the_example_of_the_language_reads_as_it_should() -> None:
    text = SAMPLE.read_text(encoding="utf-8").replace(
        "rule no_sib:          only_child(a) :- person(a), not", "rule no_sib:          only_child(a) :- not"
    )
    found = check_spec(SAMPLE, unsaved={SAMPLE: text}).diagnostics
    assert [problem.code for problem in found] == ["E0402"]
    (problem,) = found
    assert problem.message == "variable `a` appears only under `not`"
    assert problem.label == "needed here"
    assert [related.message for related in problem.related] == ["says what `a` is not"]
    line = text.index("rule no_sib:")
    assert problem.span.start == text.index("only_child(a)", line) + len("only_child(")
    assert problem.notes == ("a negated literal cannot produce values",)
    assert problem.help is not None
    assert problem.help.message == "bind it first:  only_child(a) :- person(a), not sibling(a, _);"
    mended = _apply(text, problem.help.edits[0].span.start, problem.help.edits[0].text)
    assert check_spec(SAMPLE, unsaved={SAMPLE: mended}).diagnostics == ()


def _apply(text: str, place: int, insert: str) -> str:
    return text[:place] + insert + text[place:]
