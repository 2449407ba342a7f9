"""Lowering: methods, parameters, splits, origins, tests with given items."""

from __future__ import annotations

from pathlib import Path

import pytest

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
    assert (know.teacher, know.data, know.into) == ("big", "p.errors", "k.note")
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
