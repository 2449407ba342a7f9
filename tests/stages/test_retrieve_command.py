"""`nesyc retrieve`: its JSON contract, hybrid search with a model of the project, budgets, texts nobody vouches for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from tests.tiny_encoder import save_tiny_encoder

SPEC = '''nesy 1
embedder mini { base = local("model"), dim = 16 }
student small { base = scratch(layers = 1, width = 16, heads = 2, tokenizer = .characters) }
dataset asked { row (id: text key, question: text, label: text)  split test = jsonl("asked.jsonl") }
task answer on asked {
  input  (question: text)
  output (answer: text)
  prompt = """
    {retrieved}
    {question}
    """
  parse  answer   = last_match("(.*)") as text
  metric accuracy = mean(answer == label)
}
kb notes {
  relation lesson(id: int, body: text, vec: vector(16) = embed(mini, body)) {
    key (id)
    fulltext (body)
    nearest (vec, cosine)
  }
  relation fits(id: int) { key (id) }
  derived useful(id: int)
  rule usable: useful(i) :- lesson(i, _, _), fits(i);
  facts lesson {
    (1, "a clock strikes noon") (2, "a ship on the water") (3, "a train on rails") (4, "zorp \\e[31m water")
  }
  facts fits { (1) (2) (3) }
}
retrieve words  for answer from notes { query = question, search = fulltext(lesson.body), take = 2 }
retrieve both   for answer from notes {
  query = question
  search = hybrid(fulltext = lesson.body, nearest = lesson.vec, weights = [0.5, 0.5])
  where = useful(id)
  take = 4
}
retrieve meant  for answer from notes { query = question, search = nearest(lesson.vec), take = 1 }
retrieve little for answer from notes {
  query = question, search = fulltext(lesson.body), take = 3, budget = tokens(20)
}
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").touch()
    (tmp_path / "asked.jsonl").touch()
    (tmp_path / "s.nesy").write_text(SPEC.replace("\\e", "\x1b"), encoding="utf-8")
    save_tiny_encoder(tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def retrieve(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["retrieve", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_contract(folder: Path) -> None:
    found = retrieve("words", "What strikes noon?")
    assert found == {
        "v": 1,
        "gate": None,
        "hits": [
            {
                "relation": "lesson",
                "key": [1],
                "score": found["hits"][0]["score"],
                "text": "a clock strikes noon",
            }
        ],
        "facts": [],
    }


def test_words_and_meaning_together_behind_a_rule(folder: Path) -> None:
    """Every entry is found by meaning; entry 4 is not useful by any rule, and entry 2 shares words as well."""
    found = retrieve("both", "a ship on the water")
    assert found["hits"][0]["key"] == [2]
    assert {hit["key"][0] for hit in found["hits"]} == {1, 2, 3}
    assert retrieve("meant", "a ship on the water")["hits"][0] | {"score": 1.0} == {
        "relation": "lesson", "key": [2], "score": 1.0, "text": "a ship on the water",
    }  # fmt: skip
    assert retrieve("both", "a ship on the water") == found


def test_a_budget_is_counted_by_the_student(folder: Path) -> None:
    """Its tokens are characters: of 19, 16 and 15 only one fits into 20."""
    assert [hit["key"] for hit in retrieve("little", "ship water rails")["hits"]] == [[2]]


def test_a_question_a_line(folder: Path) -> None:
    (folder / "questions.txt").write_text("noon\nrails\nnothing\n")
    done = CliRunner().invoke(app, ["retrieve", "words", "--from", "questions.txt"])
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [[hit["key"] for hit in line["hits"]] for line in lines] == [[[1]], [[3]], []]


def test_control_signs_are_shown_not_sent(folder: Path) -> None:
    done = CliRunner().invoke(app, ["retrieve", "words", "zorp"])
    assert done.exit_code == 0 and "\x1b" not in done.stdout and "water" in done.stdout
