"""Two rounds of NesyCD as a person runs them: each round's knowledge in a KB of its own, no answer paid for twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app

SPEC = """nesy 1
include "@nesyc/methods/nesycd.nesy"
include "@nesyc/methods/nesycd_round.nesy"
dataset words {
  row (id: text key, word: text, length: int)
  split train = jsonl("train.jsonl")
  split test  = jsonl("test.jsonl")
}
teacher big { endpoint = program("words:answer") }
student small { base = scratch(layers = 1, width = 32, heads = 2, tokenizer = .characters) }
task count on words {
  input (word: text)
  output (reasoning: text, answer: int)
  prompt = "{retrieved} {word}"
  parse answer = number()
  metric accuracy = mean(answer == length)
}
kb one { relation note(id: int, body: text) { key (id) fulltext (body) provenance required } }
kb two { relation note(id: int, body: text) { key (id) fulltext (body) provenance required } }
retrieve hints for count from one { query = word, search = fulltext(note.body) }
retrieve more_hints for count from two { query = word, search = fulltext(note.body) }
pipeline first for count = nesycd(
  teacher = big, student = small, data = words.train, lessons = one.note, hints = hints, epochs = 1,
)
pipeline second for count = nesycd_round(
  teacher = big, student = small, data = words.train, model = first.final, cot = first.cot, errors = first.errors,
  lessons = two.note, hints = more_hints, epochs = 1,
)
evaluate main of second.final on words.test { report accuracy  compare first.base, first.final, second.final }
"""
TEACHER = """
def answer(request):
    with open("calls.jsonl", "a") as file:
        file.write(repr((request["kind"], request["row"]["id"], request["response"])) + "\\n")
    word = request["row"]["word"]
    if request["kind"] == "extract":
        return '{"body": "the word %s has %d letters"}' % (word, len(word))
    return "it has %d" % len(word)
"""


@pytest.mark.slow
def test_two_rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "words.nesy").write_text(SPEC)
    (tmp_path / "words.py").write_text(TEACHER)
    (tmp_path / "nesyc.yaml").write_text("programs: [words]\n")
    for split, words in (("train", ("cat", "horse", "ox", "mouse")), ("test", ("goat", "cow"))):
        rows = [{"id": word, "word": word, "length": len(word)} for word in words]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "words.nesy", "--json"])
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout)
    assert results["students"] == ["first.base", "first.final", "second.final"]
    kept = {stage["name"]: stage["kept"] for stage in results["stages"]}
    assert kept["errors"] == kept["more"] == 4, "a student of one epoch knows nothing"
    notes = {name: stored(tmp_path / f"{name}.db") for name in ("one", "two")}
    assert notes["one"] == notes["two"] and len(notes["one"]) == 4, "all errors, of either round"
    calls = (tmp_path / "calls.jsonl").read_text().splitlines()
    assert len(calls) == len(set(calls)), "no answer is asked for twice"


def stored(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {body for (body,) in connection.execute("SELECT body FROM note")}
