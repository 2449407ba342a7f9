"""`nesyc serve` through its HTTP application: the commands' objects, wrong requests, a source that changes meanwhile."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.errors import CliError
from nesyc.cli.serve import LARGEST, application
from nesyc.cli.service import Asked, Service
from nesyc_runtime.artifact import load_build
from nesyc_runtime.kb.open import open_kb
from nesyc_runtime.kb.storage.rows import Claim, hold, interned
from nesyc_runtime.project import Project

SPEC = """nesy 1
kb family {
  relation parent(child: text, parent: text) { key (child, parent) }
  derived  ancestor(a: text, b: text)
  facts parent { ("ann", "bob") ("bob", "carl") }
  rule base: ancestor(a, b) :- parent(a, b);
  rule step: ancestor(a, c) :- ancestor(a, b), parent(b, c);
  say ancestor = "{b} is an ancestor of {a}."
}
dataset d { row (id: text key, q: text, label: text) split train = jsonl("train.jsonl") }
task t on d {
  input (q: text)
  output (answer: text)
  prompt = "{retrieved} {q}"
  parse answer = rest()
  metric accuracy = mean(answer == label)
}
retrieve hints for t from family { query = q, search = fulltext(ancestor), take = 1 }
"""


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "family.nesy"
    file.write_text(SPEC)
    return file


@pytest.fixture
def client(spec: Path) -> Iterator[TestClient]:
    with TestClient(application(Service(Asked(spec, None, None, {})))) as client:
        yield client


def command(*arguments: str) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--spec", "family.nesy", "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_objects_are_the_commands(client: TestClient) -> None:
    assert client.get("/health").json() == {"v": 1, "ok": True}
    query = client.post("/query", json={"query": 'ancestor("ann", x)', "limit": 1})
    assert query.status_code == 200
    assert query.json() == command("query", 'ancestor("ann", x)', "--limit", "1")
    fact = 'ancestor("ann", "carl")'
    assert client.post("/why", json={"fact": fact, "kb": "family"}).json() == command("why", fact)
    fact = 'ancestor("carl", "ann")'
    assert client.post("/whynot", json={"fact": fact}).json() == command("whynot", fact)


def test_what_another_process_wrote_counts(client: TestClient, spec: Path) -> None:
    ask = {"query": 'ancestor("ann", x)'}
    assert client.post("/query", json=ask).json()["total"] == 2
    found = client.post("/retrieve", json={"name": "hints", "text": "who is carl"})
    assert found.json() == command("retrieve", "hints", "who is carl") and found.json()["hits"]
    build = load_build(spec.parent / "build" / "family")
    with open_kb(build, Project(spec.parent), build.spec.kbs[0]) as store, store.writing():
        plan = store.relation("parent")
        hold(store, plan, interned(store, plan, ("carl", "dora")), Claim("person", 1.0, "human"))
        store.facts_changed()
    assert client.post("/query", json=ask).json()["total"] == 3
    dora = client.post("/retrieve", json={"name": "hints", "text": "who is dora"}).json()["hits"]
    assert [hit["text"] for hit in dora] == [
        "dora is an ancestor of ann."
    ]  # of three that tie, the first by key


def test_a_changed_source_counts_at_once_and_a_broken_one_says_where(client: TestClient, spec: Path) -> None:
    ask = {"query": 'ancestor("ann", x)'}
    assert client.post("/query", json=ask).json()["total"] == 2
    spec.write_text(SPEC.replace('("bob", "carl")', '("bob", "carl") ("carl", "dora")'))
    assert client.post("/query", json=ask).json()["total"] == 3
    spec.write_text(SPEC.replace("ancestor(a, b), parent", "ancestr(a, b), parent"))
    broken = client.post("/query", json=ask)
    assert broken.status_code == 500
    assert [found["code"] for found in broken.json()["diagnostics"]] == ["E0201"]
    spec.write_text(SPEC)
    assert client.post("/query", json=ask).json()["total"] == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/query", b"{", 400, "no JSON"),
        ("/query", b"[1]", 400, "no JSON object"),
        ("/query", b"[" * 100_000, 400, "no JSON"),
        ("/query", b"\xff\xfe", 400, "no JSON"),
        ("/query", b"{}", 400, "`query` is missing"),
        ("/query", b'{"query": 1}', 400, "`query` is no text"),
        ("/query", b'{"query": "ancestor(x, y)", "limit": true}', 400, "`limit` is no whole number"),
        ("/query", b'{"query": "ancestor(x, y)", "limit": -1}', 400, "less than 0"),
        ("/query", b'{"query": "ancestor(x, y)", "kb": "nope"}', 400, "nope"),
        ("/query", b'{"sql": "DROP TABLE parent"}', 400, "takes no `sql`"),
        ("/why", b'{"fact": "ancestor(_, _)"}', 400, "many facts"),
        ("/ask", b'{"text": "who?"}', 400, "no `answer` block"),
        ("/retrieve", b'{"name": "hnts", "text": "x"}', 400, "no `retrieve hnts`"),
        ("/run", b"{}", 404, "no such path"),
        ("/query", b" " * (LARGEST + 1), 413, "too long"),
    ],
)
def test_wrong_requests_are_answered(
    client: TestClient, path: str, body: bytes, status: int, message: str
) -> None:
    answer = client.post(path, content=body)
    assert answer.status_code == status and answer.json()["ok"] is False
    assert message in answer.json()["error"]["message"]


def test_a_query_with_mistakes_is_answered_as_check_does(client: TestClient) -> None:
    answer = client.post("/query", json={"query": "ancestr(x)"})
    assert answer.status_code == 400
    (found,) = answer.json()["diagnostics"]
    assert found["code"] == "E0201" and found["span"]["file"] == "<query>"


def test_a_bug_gives_no_traceback(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(Service, "answer", fail)
    answer = client.post("/query", json={})
    assert answer.status_code == 500 and "secret" not in answer.text and "RuntimeError" in answer.text


def test_a_spec_with_errors_is_not_served(spec: Path) -> None:
    spec.write_text("nesy 1\nkb {")
    result = CliRunner().invoke(app, ["serve", "--spec", "family.nesy", "--port", "0"])
    assert result.exit_code != 0


@pytest.mark.parametrize(
    ("method", "path", "status", "help"),
    [("GET", "/query", 405, "POST one JSON object"), ("POST", "/query/more", 404, "there are /ask, /query")],
)
def test_another_method_or_path_is_answered_in_json(
    client: TestClient, method: str, path: str, status: int, help: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status and answer.json()["ok"] is False
    assert help in answer.json()["error"]["help"]


def test_a_port_that_is_taken_is_told(spec: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["serve", "--spec", "family.nesy", "--port", port])
    assert isinstance(result.exception, CliError)
    assert f"cannot listen at 127.0.0.1:{port}: " in result.exception.message


def test_the_server_answers_over_the_network(spec: Path) -> None:
    # a test run in the background ignores ctrl-C, and its children would with it
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    command = [sys.executable, "-c", f"{heard}from nesyc.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        [*command, "--spec", "family.nesy"], cwd=spec.parent, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr is not None
        try:
            told = next(line for line in server.stderr if line.startswith("listening at "))
            address = told.split()[-1]
            question = json.dumps({"query": "ancestor(x, y)"}).encode()
            asked = urllib.request.Request(f"{address}/query", question)
            with urllib.request.urlopen(asked, timeout=60) as answer:
                assert json.load(answer)["total"] == 3
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 0, "ctrl-C is how a server ends"
