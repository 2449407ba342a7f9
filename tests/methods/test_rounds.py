"""Two rounds of NesyCD as a person runs them: each round's knowledge in a KB of its own, no answer paid for twice."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from tests.methods.test_shipped_methods import ROUND, WORLD, use

SPEC = f"""nesy 1
include "@nesyc/methods/all.nesy"
{WORLD}{use("nesycd", ", epochs = 1")}{ROUND.replace("LESSONS", "more.note").replace("hints,", "hints, epochs = 1,")}
evaluate main of q.final on words.test {{ report accuracy  compare p.base, p.final, q.final }}
"""
TEACHER = """
def f(request):
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
    (tmp_path / "m.py").write_text(TEACHER)
    (tmp_path / "nesyc.yaml").write_text("programs: [m]\n")
    for split, words in (("train", ("cat", "horse", "ox", "mouse")), ("test", ("goat", "cow"))):
        rows = [{"id": word, "word": word, "length": len(word)} for word in words]
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["run", "words.nesy", "--json"])
    assert done.exit_code == 0, done.output
    results = json.loads(done.stdout)
    assert results["students"] == ["p.base", "p.final", "q.final"]
    kept = {stage["name"]: stage["kept"] for stage in results["stages"]}
    assert kept["errors"] == kept["more"] == 4, "a student of one epoch knows nothing"
    notes = {name: stored(tmp_path / f"{name}.db") for name in ("notes", "more")}
    assert notes["notes"] == notes["more"] and len(notes["more"]) == 4, "all errors, of either round"
    calls = (tmp_path / "calls.jsonl").read_text().splitlines()
    assert len(calls) == len(set(calls)), "no answer is asked for twice"


def stored(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {body for (body,) in connection.execute("SELECT body FROM note")}
