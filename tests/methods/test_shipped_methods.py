"""The methods that ship: included as `@nesyc/methods/NAME.nesy`, used, checked as a person's own would be."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesyc.emit.plan import stage_inputs
from nesyc.ir import nodes
from nesyc.parsing.paths import shipped_specs
from nesyc.pipeline import check_spec
from nesyc.workspace import Checked

METHODS = ("ft", "kaft", "std_cot", "mt_cot", "step_by_step", "kard", "cascod", "nesycd")
WORLD = """
dataset words {
  row (id: text key, word: text, length: int)
  split train = jsonl("train.jsonl")
  split test  = jsonl("test.jsonl")
}
teacher big { endpoint = program("m:f") }
student small { base = scratch(layers = 1, width = 32, heads = 2, tokenizer = .characters) }
task count on words {
  input (word: text)
  output (reasoning: text, answer: int)
  prompt = "{retrieved} {word}"
  parse answer = number()
  metric accuracy = mean(answer == length)
}
kb notes { relation note(id: int, body: text) { key (id) fulltext (body) } }
retrieve hints for count from notes { query = word, search = fulltext(note.body) }
"""
TEACHER, HINTS = "teacher = big, ", ", hints = hints"
USES = {
    "ft": "",
    "kaft": HINTS,
    "std_cot": ", n = 2",
    "mt_cot": "",
    "step_by_step": "",
    "kard": HINTS,
    "cascod": "",
    "nesycd": HINTS + ", lessons = notes.note",
}
TASKS = {
    "ft": {"answer": 1},
    "kaft": {"augmented_answer": 1},
    "std_cot": {"direct": 1},
    "mt_cot": {"answer": 0.5, "direct": 0.5},
    "step_by_step": {"answer": 0.5, "rationale": 0.5},
    "kard": {"augmented": 1},
    "cascod": {"rationale": 0.7, "answer_given": 0.3},
    "nesycd": {"augmented": 1, "answer": 1, "direct": 1},
}


def check(folder: Path, text: str) -> Checked:
    spec = folder / "spec.nesy"
    spec.write_text(f"nesy 1\n{text}", encoding="utf-8")
    return check_spec(spec)


def use(name: str, more: str = "") -> str:
    teacher = "" if name in ("ft", "kaft") else TEACHER
    return f"pipeline p for count = {name}({teacher}student = small, data = words.train{USES[name]}{more})\n"


def sole_pipeline(checked: Checked) -> tuple[nodes.Spec, nodes.Pipeline]:
    assert checked.diagnostics == ()
    assert checked.spec is not None
    (pipeline,) = checked.spec.pipelines
    return checked.spec, pipeline


@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_included_by_itself_and_trains_what_its_paper_says(name: str, tmp_path: Path) -> None:
    spec, pipeline = sole_pipeline(
        check(tmp_path, f'include "@nesyc/methods/{name}.nesy"\n{WORLD}{use(name)}')
    )
    final = pipeline.stages[-1]
    assert isinstance(final, nodes.FinetuneStage)
    assert dict(zip(final.tasks, final.weights, strict=True)) == TASKS[name]
    stages = {stage.id for stage in pipeline.stages}
    assert stages.issuperset(stage_inputs(spec, final)), "what it waits for are stages, never a split"


def test_one_include_brings_all(tmp_path: Path) -> None:
    checked = check(tmp_path, f'include "@nesyc/methods/all.nesy"\n{WORLD}')
    assert checked.diagnostics == ()
    shipped = {path.stem for path in (shipped_specs() / "methods").glob("*.nesy")}
    assert shipped == {*METHODS, "nesycd_round", "all"}


ROUND = """
kb more { relation note(id: int, body: text) { key (id) fulltext (body) } }
retrieve more_hints for count from more { query = word, search = fulltext(note.body) }
pipeline q for count = nesycd_round(
  teacher = big,
  student = small,
  data = words.train,
  model = p.final,
  cot = p.cot,
  errors = p.errors,
  lessons = LESSONS,
  hints = more_hints,
)
"""


def two_rounds(folder: Path, lessons: str) -> Checked:
    includes = "".join(f'include "@nesyc/methods/{name}.nesy"\n' for name in ("nesycd", "nesycd_round"))
    return check(folder, includes + WORLD + use("nesycd") + ROUND.replace("LESSONS", lessons))


def test_a_further_round_asks_the_student_of_the_one_before(tmp_path: Path) -> None:
    checked = two_rounds(tmp_path, "more.note")
    assert checked.diagnostics == () and checked.spec is not None
    stages = {stage.id: stage for pipeline in checked.spec.pipelines for stage in pipeline.stages}
    mined, final = stages["q.more"], stages["q.final"]
    assert isinstance(mined, nodes.MineErrorsStage) and isinstance(final, nodes.FinetuneStage)
    assert (mined.model, mined.against) == ("p.final", ("p.cot",))
    assert stage_inputs(checked.spec, stages["q.know"]) == ("q.more", "p.errors")
    assert (final.model, final.student) == ("small", "small"), "a fresh student"
    assert set(stage_inputs(checked.spec, final)) >= {"p.cot", "q.more", "p.errors", "q.know"}


def test_a_round_that_writes_where_the_one_before_reads_is_an_error(tmp_path: Path) -> None:
    """The first student would wait for entries about its own errors."""
    (error,) = two_rounds(tmp_path, "notes.note").diagnostics
    assert error.code == "E0701" and error.help is not None
    assert error.help.message.startswith("let `q.know` write into a KB of its own: `p.final` waits")


def test_methods_of_a_spec_are_named_in_its_manifest_without_a_place_on_this_machine(tmp_path: Path) -> None:
    checked = check(tmp_path, f'include "@nesyc/methods/ft.nesy"\n{WORLD}{use("ft")}')
    assert [file.path for file in checked.loaded.files] == ["spec.nesy", "@nesyc/methods/ft.nesy"]


def found(checked: Checked) -> list[tuple[str, str]]:
    """Code and marked text of each diagnostic."""
    texts = checked.loaded.texts
    return [
        (found.code, texts[found.span.file][found.span.start : found.span.end])
        for found in checked.diagnostics
    ]


@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("std_cot", ", epochs = 0", [("E0308", "0")]),
        ("std_cot", ", limit = 0.5", [("E0302", "0.5")]),
        ("std_cot", ", rate = 3", [("E0103", "rate")]),
        ("std_cot", ", lr = lower", [("E0201", "lower")]),
    ],
)
def test_a_wrong_argument_is_reported_once_where_it_is_written(
    name: str, more: str, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    checked = check(tmp_path, f'include "@nesyc/methods/{name}.nesy"\n{WORLD}{use(name, more)}')
    assert found(checked) == expected


def test_what_only_the_use_gets_wrong_is_reported_at_the_call(tmp_path: Path) -> None:
    """1 - alpha is fine in the method and negative in this use: no compiled spec may hold it."""
    checked = check(
        tmp_path, f'include "@nesyc/methods/cascod.nesy"\n{WORLD}{use("cascod", ", alpha = 1.5")}'
    )
    ((code, place),) = found(checked)
    assert code == "E0308"
    assert place.startswith("cascod(")
    assert checked.diagnostics[0].related[0].span.file == "@nesyc/methods/cascod.nesy"
    assert checked.spec is None


def test_an_argument_has_the_kind_its_parameter_declares(tmp_path: Path) -> None:
    text = WORLD + 'include "@nesyc/methods/all.nesy"\n' + use("ft")
    text += "pipeline q for count = ft(student = p.final, data = big)\n"
    assert found(check(tmp_path, text)) == [("E0702", "p.final"), ("E0702", "big")]


def test_arguments_do_not_see_the_stages_of_the_method(tmp_path: Path) -> None:
    """A student called `base` is not the stage `base` inside nesycd."""
    text = WORLD.replace("student small", "student base") + 'include "@nesyc/methods/nesycd.nesy"\n'
    _, pipeline = sole_pipeline(check(tmp_path, text + use("nesycd").replace("small", "base")))
    final = pipeline.stages[-1]
    assert isinstance(final, nodes.FinetuneStage)
    assert final.model == "base"


def test_test_data_reaches_training_through_a_method(tmp_path: Path) -> None:
    text = (
        WORLD
        + 'include "@nesyc/methods/std_cot.nesy"\n'
        + use("std_cot").replace("words.train", "words.test")
    )
    assert found(check(tmp_path, text)) == [("E0603", "words.test")]


def test_the_root_is_for_includes_only_and_nobody_elses(tmp_path: Path) -> None:
    (tmp_path / "nesyc.yaml").write_text("roots: {nesyc: elsewhere}\n", encoding="utf-8")
    text = 'dataset d {\n  row (word: text)\n  split train = jsonl("@nesyc/methods/ft.nesy")\n}\n'
    checked = check(tmp_path, text + 'include "@nesyc/../README.md"\ninclude "@nesyc/methods/tf.nesy"\n')
    assert sorted(code for code, _ in found(checked)) == ["E0202", "E0205", "E0206", "E0206"]
    (missing,) = (found for found in checked.diagnostics if found.code == "E0205")
    assert missing.help is not None and "ft.nesy" in missing.help.message
