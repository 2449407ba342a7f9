"""A student that learns from what a server told of its answers' tokens: from the call to the trained weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc_runtime.stages.likely import read_table
from tests.teachers.chat_server import ChatServer
from tests.teachers.conftest import chat_server

__all__ = ["chat_server"]

SPEC = """nesy 1
dataset d {
  row (id: text key, q: text, label: text)
  split train = jsonl("train.jsonl")
}
task t on d {
  input (q: text)
  output (answer: text)
  prompt = "{q}"
  parse answer = after_last("so:")
  metric accuracy = mean(answer == label)
}
teacher big {
  endpoint = openai_compatible(model = "m", url = env("T_URL"), temperature = 0, max_tokens = 32, top_logprobs = LIKELY)
}
student small {
  base           = scratch(layers = 1, width = 16, heads = 2, tokenizer = .characters)
  adapter        = .full
  max_tokens     = 64
  max_new_tokens = 8
}
pipeline p for t {
  stage cot   = sample(teacher = big, data = d.train, keep = .all)
  stage final = finetune(student = small, data = cot, tasks = [.direct], epochs = 2, LOSS)
}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chat_server: ChatServer) -> ChatServer:
    rows = [{"id": str(n), "q": f"question {n}", "label": "yes"} for n in range(4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "nesyc.yaml").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T_URL", chat_server.url)
    chat_server.say = "first one, then two, so: yes"
    return chat_server


def run(likely: int, loss: str, code: int = 0) -> Any:
    Path("s.nesy").write_text(SPEC.replace("LIKELY", str(likely)).replace("LOSS", loss))
    done = CliRunner().invoke(app, ["run", "--spec", "s.nesy"])
    if code:
        return done.exception
    assert done.exit_code == 0, done.output
    (report,) = Path(".nesy/stages").glob("*/weights/report.json")
    value = json.loads(report.read_text())
    report.unlink()
    return value


@pytest.mark.slow
def test_from_the_call_to_the_weights(project: ChatServer) -> None:
    told = run(3, "loss = kl(mix = 0.5)")
    assert {call["top_logprobs"] for call in project.calls} == {3}
    (table,) = Path(".nesy/stages").glob("*/likely.parquet")
    found = read_table(table)
    assert sorted(found) == [(str(n), "first one, then two, so: yes") for n in range(4)]
    plain = run(3, "lr = 1e-4")
    again = run(3, "loss = kl(mix = 0.5), lr = 1e-4")
    assert len(project.calls) == 4, "what was told is kept"
    assert told["steps"] == again["steps"] and told["loss"][0] == again["loss"][0]
    assert plain["loss"][0] != again["loss"][0], "another loss than cross-entropy"


@pytest.mark.slow
def test_a_server_that_tells_nothing(project: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.teachers.chat_server.likeliest", lambda character, count: {})
    error = run(3, "loss = kl", code=1)
    assert "told no probabilities" in str(error) and "top_logprobs" in error.help


@pytest.mark.slow
def test_a_server_with_other_tokens(project: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def words(text: str, count: int) -> list[dict[str, Any]]:
        pieces = [piece + " " for piece in text.split()]
        return [{"token": piece, "logprob": -0.1, "top_logprobs": []} for piece in pieces]

    monkeypatch.setattr("tests.teachers.chat_server.positions", words)
    error = run(3, "loss = kl", code=1)
    assert error.code == "E0705" and "different tokens" in str(error)
    fallen = run(3, "loss = kl(fallback = .cross_entropy)")
    plain = run(3, "lr = 2e-4")
    assert fallen["loss"][0] == plain["loss"][0]
