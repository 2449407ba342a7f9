"""E0603 over several files: held-out data that takes a way round through includes, fragments, methods, loaders."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesyc.pipeline import check_spec

DATA = """
dataset d {
  row (q: text, label: text)
  split train = jsonl("train.jsonl")
  split test  = jsonl("test.jsonl")
}
task t on d {
  input (q: text)
  output (answer: text)
  prompt = "{q}"
  parse answer = rest()
  metric accuracy = mean(answer == label)
}
teacher big { endpoint = program("m:f") }
student small { base = scratch(layers = 1, width = 32, heads = 2, tokenizer = .characters) }
"""
TRAIN = "pipeline p for t {\n  stage cot = sample(teacher = big, data = SPLIT)\n}\n"
METHOD = "method m(data: split) {\n  stage cot = sample(teacher = big, data = data)\n}\n"


def leaks(folder: Path, **files: str) -> list[tuple[str, str]]:
    """(file, marked text) of each E0603; there is nothing else."""
    for name, text in files.items():
        file = folder / f"{name.replace('__', '/')}.nesy"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"nesy 1\n{text}", encoding="utf-8")
    (folder / "test.jsonl").write_text('{"q": "a", "label": "b"}\n', encoding="utf-8")
    checked = check_spec(folder / "main.nesy")
    assert {found.code for found in checked.diagnostics} <= {"E0603"}
    texts = checked.loaded.texts
    return [(f.span.file, texts[f.span.file][f.span.start : f.span.end]) for f in checked.diagnostics]


def test_through_an_include(tmp_path: Path) -> None:
    found = leaks(tmp_path, main='include "train.nesy"\n' + DATA, train=TRAIN.replace("SPLIT", "d.test"))
    assert found == [("train.nesy", "d.test")]


def test_through_another_dataset_in_another_folder(tmp_path: Path) -> None:
    other = 'dataset e {\n  row (q: text, label: text)\n  split train = jsonl("../test.jsonl")\n}\n'
    found = leaks(
        tmp_path,
        main='include "data/other.nesy"\n' + DATA + TRAIN.replace("SPLIT", "e.train"),
        data__other=other,
    )
    assert found == [("main.nesy", "e.train")]


def test_through_a_method_in_another_file(tmp_path: Path) -> None:
    use = 'include "m.nesy"\n' + DATA + "pipeline p for t = m(data = d.test)\n"
    assert leaks(tmp_path, main=use, m=METHOD) == [("main.nesy", "d.test")]


def test_through_the_default_of_a_method(tmp_path: Path) -> None:
    method = METHOD.replace("data: split", "data: split = d.test")
    use = 'include "m.nesy"\n' + DATA + "pipeline p for t = m()\n"
    assert leaks(tmp_path, main=use, m=method) == [("m.nesy", "d.test")]


def test_through_facts_of_a_fragment(tmp_path: Path) -> None:
    kb = 'kb k {\n  relation p(q: text, label: text)\n  include "rules/facts.nesy"\n}\n'
    facts = 'fragment of k\nfacts p from jsonl("../test.jsonl")\n'
    assert leaks(tmp_path, main=DATA + kb, rules__facts=facts) == [
        ("rules/facts.nesy", 'jsonl("../test.jsonl")')
    ]


def test_through_a_recorded_teacher(tmp_path: Path) -> None:
    teacher = 'teacher noted { endpoint = recorded("test.jsonl", join = (q), text = label) }\n'
    train = TRAIN.replace("SPLIT", "d.train").replace("big", "noted")
    assert leaks(tmp_path, main=DATA + teacher + train) == [("main.nesy", "noted")]


@pytest.mark.parametrize("link", ["copy.jsonl", "deep/copy.jsonl"])
def test_through_a_symbolic_link(tmp_path: Path, link: str) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / link).symlink_to(tmp_path / "test.jsonl")
    data = DATA.replace("train.jsonl", link)
    assert leaks(tmp_path, main=data + TRAIN.replace("SPLIT", "d.train")) == [("main.nesy", "d.train")]


def test_what_is_evaluated_on_is_held_out_wherever_that_stands(tmp_path: Path) -> None:
    text = 'include "judge.nesy"\n' + DATA + TRAIN.replace("SPLIT", "d.train")
    judge = "evaluate main of small on d.train { report accuracy }\n"
    assert leaks(tmp_path, main=text, judge=judge) == [("main.nesy", "d.train")]


def test_training_data_is_no_leak(tmp_path: Path) -> None:
    assert leaks(tmp_path, main=DATA + TRAIN.replace("SPLIT", "d.train")) == []
