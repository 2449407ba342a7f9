"""Lowering: methods, parameters, splits, origins, tests with given items."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nesyc.emit.plan import emit_plan, stage_inputs
from nesyc.ir import nodes
from nesyc.ir.context import one_line
from nesyc.pipeline import check_spec

METHODS = Path(__file__).parents[1] / "samples" / "methods.nesy"

HEAD = """nesy 1
param n: int = 2
teacher big { endpoint = program("m:f") }
student small { base = hf("a/b") }
dataset d {
  row (q: text, answer: text)
  splits = hash_split(json("x/*.json", at = "rows"), by = (q, answer), train = 0.8, dev = 0.1, test = 0.1)
}
task t on d {
  input (q: text)
  output (answer: text)
  prompt = "{q}"
  parse answer = after_last("the answer is") as text
  metric accuracy = mean(answer == row.answer)
}
kb k {
  relation note(id: int, body: text) { key (id) fulltext (body) }
}
retrieve hints for t from k { query = q, search = fulltext(note.body) }
"""


def lower(folder: Path, text: str, profile: str | None = None, **params: str) -> nodes.Spec:
    (folder / "spec.nesy").write_text(text, encoding="utf-8")
    checked = check_spec(folder / "spec.nesy", profile=profile, params=params)
    assert [problem for problem in checked.diagnostics if problem.severity == "error"] == []
    assert checked.spec is not None
    return checked.spec


def codes(folder: Path, text: str, profile: str | None = None, **params: str) -> list[str]:
    (folder / "spec.nesy").write_text(text, encoding="utf-8")
    checked = check_spec(folder / "spec.nesy", profile=profile, params=params)
    return [problem.code for problem in checked.diagnostics]


def with_methods(folder: Path) -> str:
    (folder / "methods.nesy").write_text(METHODS.read_text(encoding="utf-8"), encoding="utf-8")
    return HEAD + 'include "methods.nesy"\n'


def test_a_method_becomes_its_stages(tmp_path: Path) -> None:
    spec = lower(
        tmp_path,
        with_methods(tmp_path)
        + "pipeline p for t = nesycd(teacher = big, student = small, data = d.train, lessons = k.note, hints = hints)\n",
    )
    stages = spec.pipelines[0].stages
    assert [stage.id for stage in stages] == ["p.cot", "p.base", "p.errors", "p.know", "p.final"]
    know, final = stages[3], stages[4]
    assert isinstance(know, nodes.ExtractStage)
    assert (know.teacher, know.data, know.into) == ("big", ("p.errors",), "k.note")
    assert isinstance(final, nodes.FinetuneStage)
    assert (final.examples, final.retrieve, final.tasks) == (
        ("p.cot", "p.errors"),
        "hints",
        ("augmented", "answer", "direct"),
    )


@pytest.mark.parametrize(("argument", "weights"), [("", (0.5, 0.5)), (", alpha = 0.7", (0.3, 0.7))])
def test_arithmetic_over_a_methods_parameters_is_folded(
    tmp_path: Path, argument: str, weights: tuple[float, ...]
) -> None:
    use = f"pipeline p for t = step_by_step(teacher = big, student = small, data = d.train{argument})\n"
    final = lower(tmp_path, with_methods(tmp_path) + use).pipelines[0].stages[-1]
    assert isinstance(final, nodes.FinetuneStage)
    assert final.weights == weights


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("std_cott(teacher = big, student = small, data = d.train)", ["E0201"]),
        ("std_cot(teacher = big, student = small)", ["E0308"]),
        ("std_cot(teacher = big, student = small, data = d.train, m = 2)", ["E0103"]),
        ("std_cot(teacher = big, student = small, data = d.train, data = d.dev)", ["E0308"]),
        ("std_cot(big, student = small, data = d.train)", ["E0308", "E0308"]),
        ("std_cot(teacher = small, student = small, data = d.train)", ["E0702"]),
        ("std_cot(teacher = big, student = small, data = d.test)", ["E0603"]),
        ('std_cot(teacher = big, student = small, data = d.train, n = "x")', ["E0302"]),
    ],
)
def test_wrong_use_of_a_method(tmp_path: Path, use: str, expected: list[str]) -> None:
    assert codes(tmp_path, with_methods(tmp_path) + f"pipeline p for t = {use}\n") == expected


def test_hash_split_gives_its_parts_in_order(tmp_path: Path) -> None:
    spec = lower(tmp_path, HEAD)
    splits = spec.datasets[0].splits
    assert [(split.name, split.held_out) for split in splits] == [
        ("train", False),
        ("dev", False),
        ("test", True),
    ]
    source = splits[2].source
    assert isinstance(source, nodes.HashSplitSource)
    assert (source.by, list(source.shares), source.part) == (
        ("q", "answer"),
        ["train", "dev", "test"],
        "test",
    )
    assert source.source == nodes.FileSource("json", nodes.Path("", "x/*.json"), "rows", None, None)


def test_row_names_the_field_where_an_output_has_its_name(tmp_path: Path) -> None:
    task = lower(tmp_path, HEAD).tasks[0]
    assert isinstance(task.metrics[0].value, nodes.Operation)
    assert task.metrics[0].value.arguments == (
        nodes.ColumnRef("output", "answer"),
        nodes.ColumnRef("row", "answer"),
    )
    assert task.target == {"answer": "answer"}


PARAMS = (
    "nesy 1\nparam n: int = 1\nparam name: text\nparam money: usd = n * 2\nenum E { a b }\nparam e: E = .a\n"
)


def test_params_come_from_the_file_then_the_profile_then_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "nesyc.yaml").write_text("profiles: {big: {n: 7, name: prof}}\n", encoding="utf-8")
    assert lower(tmp_path, PARAMS, name="x").params == {"n": 1, "name": "x", "money": 2.0, "e": "a"}
    assert lower(tmp_path, PARAMS, profile="big").params == {"n": 7, "name": "prof", "money": 14.0, "e": "a"}
    found = lower(tmp_path, PARAMS, profile="big", n="3", e="b").params
    assert found == {"n": 3, "name": "prof", "money": 6.0, "e": "b"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "E0207"),
        ({"name": "x", "n": "1.5"}, "E0302"),
        ({"name": "x", "money": "nan"}, "E0302"),
        ({"name": "x", "e": "c"}, "E0303"),
        ({"name": "x", "nn": "2"}, "E0201"),
    ],
)
def test_wrong_params(tmp_path: Path, given: dict[str, str], code: str) -> None:
    assert codes(tmp_path, PARAMS, **given) == [code]


def test_an_unknown_profile_is_an_error(tmp_path: Path) -> None:
    assert codes(tmp_path, "nesy 1\n", profile="nowhere") == ["E0201"]


def test_origins(tmp_path: Path) -> None:
    rules = "\n".join(
        f"{annotation} rule r{number}: q(a) :- p(a);"
        for number, annotation in enumerate(
            (
                "",
                "@learned(by = big)",
                "@learned(by = big) @status(proposed)",
                '@learned(by = big) @status(accepted, by = "mk")',
                "@learned(by = big) @status(rejected)",
                "@status(proposed)",
            )
        )
    )
    text = HEAD + f"kb f {{ relation p(a: text) derived q(a: text) {rules} }}\n"
    kb = lower(tmp_path, text).kbs[1]
    assert [(rule.origin, rule.active) for rule in kb.rules] == [
        ("human", True),
        ("unreviewed", False),
        ("unreviewed", False),
        ("teacher", True),
        ("unreviewed", False),
        ("human", False),
    ]
    # A proposal is inert: it stands in no stratum.
    assert kb.strata == (nodes.Stratum(("q",), ("r0", "r3"), False),)


def test_given_items_make_a_kb_of_the_tests_own(tmp_path: Path) -> None:
    text = """nesy 1
kb f {
  relation p(a: text)
  derived q(a: text)
  derived r(a: text)
  facts p { ("x") }
  rule one: q(a) :- p(a);
}
test "given" for f {
  given facts p { ("y") 0.5 }
  given rule two: r(a) :- q(a);
  expect r("y");
}
"""
    spec = lower(tmp_path, text)
    assert len(spec.kbs[0].facts) == 1
    kb = spec.tests[0].kb
    assert kb is not None
    assert [fact.values for fact in kb.facts] == [("x",), ("y",)]
    assert [layer.rules for layer in kb.strata] == [("one",), ("two",)]


def test_facts_take_plain_values(tmp_path: Path) -> None:
    text = """nesy 1
param who: text = "ann"
enum Kin { father }
kb f {
  relation p(a: text, n: number, day: date, rel: Kin?, v: vector(2))
  facts p { (who, -1, "2026-01-31", null, [1, 0.5]) (who, 2 * 3, "2026-01-31", .father, [0, -1]) 0.25 }
}
"""
    facts = lower(tmp_path, text).kbs[0].facts
    assert [fact.values for fact in facts] == [
        ("ann", -1.0, "2026-01-31", None, "[1, 0.5]"),
        ("ann", 6.0, "2026-01-31", "father", "[0, -1]"),
    ]
    assert [fact.confidence for fact in facts] == [1.0, 0.25]


def test_one_line_keeps_strings_and_drops_comments() -> None:
    assert one_line('a(x,  # one\n  "b  # c"),\n\t"""d\n e"""') == 'a(x, "b  # c"), """d\n e"""'


def test_a_filter_may_test_relations(tmp_path: Path) -> None:
    kb = "kb n {\n  relation note(id: int, body: text) { key (id) fulltext (body) }\n  derived useful(id: int, n: int)\n"
    kb += "  rule all: useful(i, 1) :- note(i, _);\n}\n"
    where = "status != .rejected and not useful(id, _) and useful(3, 1)"
    retrieve = f"retrieve r for t from n {{ query = q, search = fulltext(note.body), where = {where} }}\n"
    found = next(item for item in lower(tmp_path, HEAD + kb + retrieve).retrieves if item.name == "r").where
    assert isinstance(found, nodes.Operation) and found.operator == "and"
    left, right = found.arguments
    assert isinstance(left, nodes.Operation) and isinstance(left.arguments[1], nodes.Operation)
    assert left.arguments[1] == nodes.Operation(
        "not", (nodes.Holds("useful", (nodes.ColumnRef("hit", "id"), None)),)
    )
    three, one = (nodes.Const(value, nodes.Type("int")) for value in (3, 1))
    assert right == nodes.Holds("useful", (three, one))


@pytest.mark.parametrize(("column", "scope"), [("body", "question"), ("query", "hit")])
def test_a_filter_reads_the_query_unless_a_column_has_its_name(
    tmp_path: Path, column: str, scope: str
) -> None:
    kb = f"kb n {{\n  relation note(id: int, {column}: text) {{ key (id) fulltext ({column}) }}\n}}\n"
    where = f"mentions(query, {column})"
    retrieve = f"retrieve r for t from n {{ query = q, search = fulltext(note.{column}), where = {where} }}\n"
    found = next(item for item in lower(tmp_path, HEAD + kb + retrieve).retrieves if item.name == "r").where
    assert found == nodes.Operation(
        "mentions",
        (nodes.ColumnRef(scope, "query"), nodes.ColumnRef("hit", column)),  # type: ignore[arg-type]
    )


LOSS = "pipeline p for t {\n  stage cot = sample(teacher = near, data = d.train)\n  stage final = finetune(student = small, data = cot, loss = LOSS)\n}\n"
NEAR = 'teacher near { endpoint = hf("Qwen/Qwen2.5-7B") }\n'


def distil_of(folder: Path, loss: str, head: str = HEAD) -> tuple[str, nodes.Distil | None]:
    spec = lower(folder, head + NEAR + LOSS.replace("LOSS", loss))
    stage = spec.pipelines[0].stages[1]
    assert isinstance(stage, nodes.FinetuneStage)
    return stage.loss, stage.distil


def test_a_loss_carries_all_its_options(tmp_path: Path) -> None:
    plain = nodes.Distil("near", None, 1.0, None, 1.0, (0.0, 0.0), None)
    assert distil_of(tmp_path, "cross_entropy") == ("cross_entropy", None)
    assert distil_of(tmp_path, "kl") == ("kl", plain)
    full = "jsd(0.1, teacher = near, temperature = 2, top_k = 50, mix = 0.7, on_policy = 0.25, fallback = .cross_entropy)"
    wanted = nodes.Distil("near", 0.1, 2.0, 50, 0.7, (0.25, 0.25), "cross_entropy")
    assert distil_of(tmp_path, full) == ("jsd", wanted)
    assert distil_of(tmp_path, "jsd")[1] == nodes.Distil("near", 0.5, 1.0, None, 1.0, (0.0, 0.0), None)
    rising = nodes.Distil("near", None, 1.0, None, 1.0, (0.0, 0.5), None)
    assert distil_of(tmp_path, "kl(on_policy = ramp(0, 0.5))")[1] == rising


def test_knowledge_may_fade(tmp_path: Path) -> None:
    pipeline = """pipeline p for t {
  stage cot   = sample(teacher = big, data = d.train)
  stage final = finetune(student = small, data = cot, retrieve = hints, tasks = [.augmented], fade = ramp(1, 0.25))
  stage other = finetune(student = small, data = cot, fade = ramp(1, 0))
}
"""
    assert codes(tmp_path, HEAD + pipeline) == ["E0308"]
    spec = lower(tmp_path, HEAD + pipeline.replace(", fade = ramp(1, 0))", ")"))
    final, other = spec.pipelines[0].stages[1:]
    assert isinstance(final, nodes.FinetuneStage) and isinstance(other, nodes.FinetuneStage)
    assert (final.fade, other.fade) == ((1.0, 0.25), None)


def test_the_fallback_is_taken_where_the_tokenizers_are_known_to_differ(tmp_path: Path) -> None:
    llama = HEAD.replace('hf("a/b")', 'hf("meta-llama/Llama-3.2-1B")')
    assert distil_of(tmp_path, "kl(fallback = .cross_entropy)", llama) == ("cross_entropy", None)
    assert codes(tmp_path, llama + NEAR + LOSS.replace("LOSS", "kl")) == ["E0705"]


def test_validate_and_induce_are_lowered_whole(tmp_path: Path) -> None:
    stages = """pipeline p for t {
  stage cot    = sample(teacher = big, data = d.train)
  stage base   = finetune(student = small, data = cot)
  stage errors = mine_errors(model = base, data = d.train, against = cot)
  stage know   = extract(teacher = big, data = errors, into = k.note)
  stage sound  = validate(know, data = d.dev, drop = false)
  stage learn  = induce(teacher = big, data = errors, into = "learned.nesy", min_support = 7, review = .required)
  stage final  = finetune(student = small, data = cot, retrieve = hints, tasks = [.augmented])
}
"""
    spec = lower(tmp_path, HEAD + stages)
    by_name = {stage.name: stage for stage in spec.pipelines[0].stages}
    sound, learn = by_name["sound"], by_name["learn"]
    assert isinstance(sound, nodes.ValidateStage) and isinstance(learn, nodes.InduceStage)
    assert (sound.of, sound.model, sound.data, sound.drop) == (("p.know",), "p.base", "d.dev", False)
    assert (learn.into, learn.kb, learn.min_support, learn.review) == ("learned.nesy", "k", 7, "required")
    assert stage_inputs(spec, by_name["final"]) == ("p.cot", "p.know", "p.sound", "p.learn")
    plan = json.loads(emit_plan(spec, {"k": {}}))
    assert {stage["name"]: stage["after"] for stage in plan["stages"]}["sound"] == ["p.know", "p.base"]
