"""`nesyc show batch`: the text a student reads and the text it learns, from the tensors of its training."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.console import nesyc

SPEC = """nesy 1
param epochs: int = 2
dataset d { row (id: text key, q: text, label: text)  split train = jsonl("train.jsonl") }
teacher big { endpoint = program("teach:answer") }
student small { base = scratch(layers = 1, width = 16, heads = 2)  max_tokens = 48 }
task t on d {
  input (q: text)
  output (reasoning: text, answer: text)
  prompt = "Ask: {q}"
  parse answer = after_last("=") as text
  metric accuracy = mean(answer == label)
}
pipeline p for t {
  stage cot = sample(teacher = big, data = d.train, keep = .all)
  stage final = finetune(student = small, data = cot, tasks = [.direct, .answer], weights = [1.0, 0.5], epochs = epochs, batch = 4)
  stage gold = finetune(student = small, data = d.train, tasks = [.answer], batch = 4)
}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("")
    (tmp_path / "s.nesy").write_text(SPEC)
    rows = [{"id": f"r{n}", "q": "x" * 12 * n, "label": str(n)} for n in range(1, 6)]
    rows[0]["q"] = "\x1b[2Jé"
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "teach.py").write_text(
        'def answer(request):\n    return "so = " + request["row"]["label"] + " = " + request["row"]["label"]\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_read_and_what_is_learned(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "run", "--select", "cot") == 0
    capsys.readouterr()
    assert nesyc(monkeypatch, "show", "batch", "final", "--steps", "2", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["v"], shown["stage"], shown["items"], shown["batch"]) == (1, "p.final", 5, 4)
    assert shown["steps"] == {"shown": 2, "total": 4} and shown["total"] == 10 and not shown["truncated"]
    assert sorted((row["item"], row["task"]) for row in shown["rows"]) == [
        (f"r{n}", task) for n in range(1, 6) for task in ("answer", "direct")
    ]
    for row in shown["rows"]:
        n = row["item"][1:]
        learned = "".join(part["text"] for part in row["parts"] if part["learned"])
        read = "".join(part["text"] for part in row["parts"] if not part["learned"])
        assert learned == (f"so = {n} = {n}.<eos>" if row["task"] == "direct" else f"= {n}.<eos>")
        assert read.startswith("<bos>") and read.endswith("\n")
        # a byte a token, `<bos>` and `<eos>` one each
        assert row["tokens"]["learned"] == len(learned) - 4
        assert row["tokens"]["read"] == len(read.encode()) - 4
    too_long = {("r2", "answer"), *((f"r{n}", task) for n in (3, 4, 5) for task in ("answer", "direct"))}
    assert {(row["item"], row["task"]) for row in shown["rows"] if row["cut"] == ["prompt"]} == too_long
    assert shown["cut"] == {"prompt": 7}
    shares: dict[tuple[int, str], float] = {}
    for row in shown["rows"]:
        place = (row["step"], row["task"])
        shares[place] = shares.get(place, 0.0) + row["weight"] * row["tokens"]["learned"]
    assert shares == {
        (step, task): pytest.approx(weight, rel=1e-5)
        for step in (1, 2)
        for task, weight in (("direct", 1.0), ("answer", 0.5))
    }
    assert_shared_once(shown)
    assert not list(project.rglob("*.safetensors"))


def assert_shared_once(shown: dict[str, Any]) -> None:
    """Some rows share a beginning with one before them in the same micro-batch; its tokens are read once."""
    before: dict[tuple[int, int], list[bytes]] = {}
    for row in shown["rows"]:
        prompt = row["parts"][0]["text"].replace("<bos>", "^").encode()
        others = before.setdefault((row["step"], row["micro_batch"]), [])
        common = max((equal_beginning(prompt, other) for other in others), default=0)
        # the last token of a prompt carries the first label, so it stays the row's own
        assert row["tokens"]["shared"] <= min(common, len(prompt) - 1)
        others.append(prompt)
    shared = sum(row["tokens"]["shared"] for row in shown["rows"])
    assert shared > 0 and shown["tokens"]["shared"] == shared
    assert shown["tokens"]["read"] == sum(row["tokens"]["read"] for row in shown["rows"]) - shared


def equal_beginning(one: bytes, other: bytes) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def test_packed_segments_apart(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = project / "s.nesy"
    spec.write_text(
        SPEC.replace("max_tokens = 48", "max_tokens = 48  options = { packing = true, micro_tokens = 100 }")
    )
    assert nesyc(monkeypatch, "show", "batch", "gold", "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["layout"] == {"packed": True, "micro_tokens": 100} and shown["tokens"]["padding"] == 0
    places = [(row["micro_batch"], row["row"], row["segment"]) for row in shown["rows"]]
    assert places == [(1, 1, 1), (1, 1, 2), (2, 1, 1), (2, 1, 2)]
    assert_shared_once(shown)
    for row in shown["rows"]:
        read, learned = (part["text"] for part in row["parts"])
        assert read.endswith("Give only the answer.\n") and learned == f"= {row['item'][1:]}.<eos>"
    assert nesyc(monkeypatch, "show", "batch", "gold") == 0
    assert "step 1, micro-batch 2, segment 1  .answer of r" in capsys.readouterr().out


FADING = (
    """nesy 1
dataset d { row (id: text key, q: text, label: text)  split train = jsonl("train.jsonl") }
kb k {
  relation hint(id: int, body: text) { key (id) fulltext (body) }
  facts hint { (1, "xxxx abcdefgh") }
  say hint = "{body}"
}
retrieve hints for t from k { query = q, search = fulltext(hint.body) }
student small { base = scratch(layers = 1, width = 16, heads = 2)  max_tokens = 96 }
task t on d {
  input (q: text)
  output (answer: text)
  prompt = """
    + '"""{retrieved} {q}"""'
    + """
  parse answer = after_last("=") as text
  metric accuracy = mean(answer == label)
}
pipeline p for t {
  stage gold = finetune(
    student = small, data = d.train, retrieve = hints, tasks = [.augmented_answer], fade = ramp(1, 0), epochs = 2, batch = 1)
}
"""
)


def test_each_epoch_reads_what_is_left_of_its_knowledge(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "s.nesy").write_text(FADING)
    (project / "train.jsonl").write_text('{"id": "a", "q": "xxxx", "label": "1"}\n')
    assert nesyc(monkeypatch, "show", "batch", "gold", "--steps", "2", "--json") == 0
    first, second = (row["parts"][0]["text"] for row in json.loads(capsys.readouterr().out)["rows"])
    assert "abcdefgh" in first and "abc" not in second


def test_the_text_escapes_what_steers_a_terminal(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "show", "batch", "p.gold", "--steps", "2") == 0
    text = capsys.readouterr().out
    assert "  │ <bos>Ask: \\x1b[2J" in text
    assert "\x1b" not in text
    assert "  ┃ = 1.<eos>\n" in text
    assert "p.gold: steps 1 to 2 of 6, 5 rows; 5 items in batches of 4" in text


def test_limit_and_out(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "show", "batch", "gold", "--limit", "1", "--json", "--out", "kept.json") == 0
    assert capsys.readouterr().out == ""
    kept: dict[str, Any] = json.loads(Path("kept.json").read_text())
    assert len(kept["rows"]) == 1 and kept["total"] == 4 and kept["truncated"]
    assert nesyc(monkeypatch, "show", "batch", "gold", "--limit", "1") == 0
    assert "3 more rows: --limit 0 shows all" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fnal", "did you mean final"),
        ("cot", "`cot` is no finetune stage, but sample"),
        ("\x1b[2J", "there is no stage"),
        ("final", "nesyc run --select p.cot"),
    ],
)
def test_what_cannot_be_shown(
    name: str, told: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "show", "batch", name) == 1
    error = capsys.readouterr().err
    assert told in error and "\x1b" not in error
    assert nesyc(monkeypatch, "show", "batch", name, "--json") == 1
    assert json.loads(capsys.readouterr().out)["ok"] is False


def test_a_changed_input_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "run", "--select", "cot") == 0
    with (project / "train.jsonl").open("a") as file:
        file.write('{"id": "r6", "q": "y", "label": "9"}\n')
    assert nesyc(monkeypatch, "show", "batch", "final") == 1
    assert "`cot` gives, which has changed since it was run" in capsys.readouterr().err
