"""Reviewing: what waits, decisions by name, and the screen driven by keys."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.review_screen import ReviewScreen
from nesyc.cli.session import runtime_project
from nesyc.pipeline import compile_spec
from nesyc_runtime.artifact import load_build
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.open import open_kb
from nesyc_runtime.kb.review.review import Review, pending, proposals, read_name
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store

SPEC = """nesy 1
kb family {
  semantics = max_min
  ceiling = origin_cap(human = 1.0, teacher = 0.9, unreviewed = 0.6)
  relation lesson(id: int, body: text) { key (id) }
  relation near(a: text, b: text) { key (a, b) }
  derived heard(body: text)
  rule h: heard(b) :- lesson(_, b);
  say lesson = "Remember: {body}"
}
"""
STAGE = "stage:p.know"
ABOUT = {"teacher": "big\x1b[31m", "run": "r1", "prompt": "sha256:0", "sources": ["p.errors/7"],
         "inputs": ['{"question":"what is\\u001b[2J it"}'], "usd": 0.002,
         "validated": {"data": "d.dev", "n": 40, "helped": 3, "harmed": 1, "lift": 0.05, "p": 0.6}}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "family.nesy").write_text(SPEC, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    compile_spec(tmp_path / "family.nesy", tmp_path / "build")
    with opened(tmp_path) as store:
        bodies = [{"body": body} for body in ("first\x1b[31m\nline", "second", "third")]
        write_entries(store, "lesson", bodies, owner=STAGE, provenance=ABOUT)
        write_entries(store, "near", [{"a": "x", "b": "y z"}], owner="stage:q.know")
    return tmp_path


@pytest.fixture
def store(project: Path) -> Iterator[Store]:
    with opened(project) as found:
        yield found


def opened(folder: Path) -> Store:
    build = load_build(folder / "build" / "family")
    return open_kb(build, runtime_project(folder / "family.nesy"), build.spec.kbs[0])


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["review", *arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    return (
        json.loads(result.stdout) if code == 0 else str(getattr(result.exception, "message", result.output))
    )


def rows(store: Store) -> list[Any]:
    return store.execute("SELECT id, body, status, owner FROM lesson ORDER BY id").fetchall()


def test_the_list_has_what_stands_behind_a_proposal(project: Path) -> None:
    found = run("--list")
    assert [one["name"] for one in found["proposals"]] == [
        "lesson:1",
        "lesson:2",
        "lesson:3",
        'near:["x", "y z"]',
    ]
    second = found["proposals"][1]
    assert (second["key"], second["values"], second["conf"], second["text"]) == (
        [2],
        {"id": 2, "body": "second"},
        0.6,
        "Remember: second",
    )
    assert second["provenance"] == ABOUT
    first = run("--list", "--limit", "1")
    assert len(first["proposals"]) == 1 and first["truncated"] and first["total"] == found["total"]
    shown = CliRunner().invoke(app, ["review", "--list"]).output
    assert "\x1b" not in shown
    assert "asked: question: what is" in shown and "drawn from: p.errors/7" in shown


def test_decisions_by_name(project: Path) -> None:
    done = run(
        "--accept",
        "lesson:1",
        "--reject",
        "lesson:2",
        "--reject",
        'near:["x", "y z"]',
        "--note",
        "so it is",
        "--by",
        "ada",
    )
    assert (done["accepted"], done["rejected"], done["left"]) == (
        ["lesson 1"],
        ["lesson 2", "near x, y z"],
        1,
    )
    with opened(project) as store:
        assert [row[0] for row in rows(store)] == [1, 3]
        assert store.execute("SELECT count(*) FROM heard").fetchone()[0] == 2, "what follows is derived anew"
    log = json.loads(CliRunner().invoke(app, ["kb", "log", "--json"]).stdout)["changes"]
    assert [(one["who"], one["why"]) for one in log[:2]] == [
        ("ada", "reject lesson 2 and 1 more: so it is"),
        ("ada", "accept lesson 1: so it is"),
    ]
    undone = CliRunner().invoke(app, ["kb", "undo"])
    assert undone.exit_code == 0
    with opened(project) as store:
        assert [row[0] for row in rows(store)] == [1, 2, 3], (
            "what was decided together is taken back together"
        )
    assert run("--list")["total"] == 3
    twice = run("--reject", "lesson:2", "--reject", "lesson:*", "--note", "no")
    assert twice["rejected"] == ["lesson 2", "lesson 3"]
    CliRunner().invoke(app, ["kb", "undo"])
    assert run("--accept", "lesson:*")["left"] == 1 and run("--accept", "near:*")["left"] == 0
    assert CliRunner().invoke(app, ["review"]).output.endswith("nothing waits for a decision\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--accept", "lesson:9"), "there is no lesson 9"), (("--accept", "lesson"), "names no entry"), (("--accept", "heard:x"), "derived by rules"),
     (("--reject", "nobody:1"), "has no relation `nobody`"), (("--accept", "lesson:one\x1b"), "the key found")],
)  # fmt: skip
def test_a_wrong_name_decides_nothing(project: Path, arguments: tuple[str, ...], message: str) -> None:
    told = run("--accept", "lesson:1", *arguments, code=1)
    assert message in told and "\x1b" not in told
    assert run("--list")["total"] == 4


def test_names_are_read_as_they_are_written(store: Store) -> None:
    for one in proposals(store):
        assert read_name(one.name) == (one.relation, list(one.key))
    assert read_name("person:ann") == ("person", ["ann"])


def test_a_stage_waits_until_all_of_its_entries_are_decided(store: Store) -> None:
    review = Review(store, "ada", proposals(store, stage="p.know"))
    assert (pending(store, "lesson", STAGE), len(review.waiting)) == (3, 3)
    review.accept()
    review.edit({"body": "better"})
    review.reject("no")
    assert pending(store, "lesson", STAGE) == 0 and review.current is None
    assert rows(store) == [(1, "first\x1b[31m\nline", "accepted", STAGE), (2, "better", "accepted", "person")]
    assert review.take_back()
    assert (review.current and review.current.name, pending(store, "lesson", STAGE)) == ("lesson:3", 1)
    assert review.take_back() and review.take_back() and not review.take_back()
    assert len(proposals(store, stage="p.know")) == 3
    assert review.counts == {"accepted": 0, "edited": 0, "rejected": 0}
    review.edit({"id": 1, "body": "first\x1b[31m\nline"})
    assert review.counts["accepted"] == 1, "an edit that changes nothing accepts"
    with pytest.raises(UserError, match="E0503"):
        review.edit({"id": 3})


def drive(store: Store, act: Callable[[ReviewScreen, Any], Awaitable[None]]) -> Review:
    review = Review(store, "ada", proposals(store, stage="p.know"))

    async def session() -> None:
        screen = ReviewScreen(review)
        async with screen.run_test(size=(100, 30)) as pilot:
            await act(screen, pilot)

    asyncio.run(session())
    return review


def test_the_screen_is_driven_by_keys(store: Store) -> None:
    async def act(screen: ReviewScreen, pilot: Any) -> None:
        await pilot.press("j", "a", "k", "r")
        await pilot.press(*"no", "enter")
        await pilot.pause()
        await pilot.press("u", "e")
        await pilot.pause()
        area = screen.screen.query_one("TextArea")
        area.text = area.text.replace("first\\u001b[31m\\nline", "edited")
        await pilot.press("ctrl+s")
        await pilot.pause()

    review = drive(store, act)
    assert review.counts == {"accepted": 1, "edited": 1, "rejected": 0}
    assert rows(store) == [
        (1, "edited", "accepted", "person"),
        (2, "second", "accepted", STAGE),
        (3, "third", "proposed", STAGE),
    ]


def test_the_screen_shows_no_control_signs_and_says_what_does_not_fit(store: Store) -> None:
    said: list[str] = []

    async def act(screen: ReviewScreen, pilot: Any) -> None:
        await pilot.pause()
        shown = str(screen.query_one("#details").render())
        assert "first" in shown and "\x1b" not in shown
        await pilot.press("e")
        await pilot.pause()
        area = screen.screen.query_one("TextArea")
        area.text = '{"body": null}'
        await pilot.press("ctrl+s")
        await pilot.pause()
        said.append(str(screen.query_one("#said").render()))
        await pilot.press("e")
        await pilot.pause()
        screen.screen.query_one("TextArea").text = "{"
        await pilot.press("ctrl+s", "escape")
        await pilot.press("r", "escape", "a", "a", "a", "a")
        await pilot.pause()
        said.append(str(screen.query_one("#said").render()))

    review = drive(store, act)
    assert "is null" in said[0]
    assert "nothing waits" in said[1] and review.counts["accepted"] == 3


def test_the_list_tells_what_an_entry_cost_and_what_was_measured_of_it(project: Path) -> None:
    shown = CliRunner().invoke(app, ["review", "--list"]).stdout
    assert "cost: 0.002 USD" in shown
    assert "validated: lift 0.05 on d.dev: 3 helped, 1 harmed of 40, p = 0.6" in shown
