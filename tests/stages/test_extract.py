"""Entries from a teacher: asked again where unusable, rejected with the reason, alike ones merged, their cost kept."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc_runtime.files import read_jsonl
from nesyc_runtime.stages.duplicates import ALIKE, near_duplicates
from nesyc_runtime.stages.run import Options, run
from tests.stages.world import TEACHER, World, find_stage
from tests.teachers.chat_server import ChatServer

LONG = "always write the whole calculation down step by step before you give any answer and check every single step"
STUBBORN = """
def entry(title, body):
    return json.dumps({"title": title, "body": body})

def teach(request):
    number = request["row"]["n"]
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write(request["kind"] + " " + str(number) + " " + str(request["problem"]) + "\\n")
    if request["kind"] == "sample":
        return "answer: " + str(2 * number)
    if number == 1 and request["problem"] is None:
        return '{"title": "no body"}'
    if number == 2:
        return "never any entry"
    if number == 3:
        return entry("double", "LONG now".replace("now", "today"))
    if number == 4:
        return entry("double", "LONG")
    if number in (5, 6):
        return entry("same", "the very same")
    return entry("about " + str(number), "twice " + str(number))
"""


def made_by(world: World, teacher: str) -> tuple[list[Any], list[Any], dict[str, Any]]:
    (world.folder / "teacher.py").write_text(teacher)
    with ExitStack() as stack:
        ctx = world.context(stack, limit=12)
        run(ctx, Options(select=["nesycd.know"]))
        folder = ctx.folder("nesycd.know")
        counts = ctx.done["nesycd.know"].info["counts"]
        return list(read_jsonl(folder / "entries.jsonl")), list(read_jsonl(folder / "rejected.jsonl")), counts


def test_unusable_answers_are_asked_again_once_and_alike_ones_merged(tmp_path: Path) -> None:
    world = World(tmp_path)
    head = "import json\nfrom pathlib import Path\n"
    entries, rejected, counts = made_by(world, head + STUBBORN.replace("LONG", LONG))
    by_title = {entry["values"]["title"]: entry for entry in entries}
    assert by_title["about 1"]["sources"] == ["nesycd.errors/q1"], "mended the second time"
    assert by_title["double"]["sources"] == ["nesycd.errors/q3", "nesycd.errors/q4"]
    assert by_title["same"]["inputs"] == [{"n": 5}, {"n": 6}]
    assert [(one["source"], one["reason"], one["answer"]) for one in rejected] == [
        ("nesycd.errors/q2", "malformed", "never any entry")
    ]
    assert "body" in rejected[0]["problem"] or "title" in rejected[0]["problem"]
    assert counts["dropped"] == {"duplicate": 1, "malformed": 1, "near duplicate": 1}
    asked = [line for line in world.calls() if line.startswith("extract")]
    again = [line for line in asked if not line.endswith("None")]
    assert len(again) == 2 and any("`body`" in line for line in again)
    assert counts["calls"] == len(asked), "both times count"
    assert made_by(world, head + STUBBORN.replace("LONG", LONG))[0] == entries
    assert [line for line in world.calls() if line.startswith("extract")] == asked, "nothing is asked twice"


SILENT = """
def teach(request):
    with open(Path(__file__).parent / "calls.txt", "a") as file:
        file.write(request["kind"] + "\\n")
    number = request["row"]["n"]
    if request["kind"] == "sample":
        return "answer: " + str(2 * number)
    entries = [] if number < 3 else [{"title": str(number), "body": "twice " + str(number)}]
    return json.dumps({"entries": entries})
"""


def test_a_teacher_that_has_nothing_to_write_is_not_asked_again(tmp_path: Path) -> None:
    world = World(tmp_path)
    entries, rejected, counts = made_by(world, "import json\nfrom pathlib import Path\n" + SILENT)
    silent = [one["source"] for one in rejected]
    assert "nesycd.errors/q2" in silent and {one["reason"] for one in rejected} == {"no entries"}
    assert counts["dropped"] == {"no entries": len(silent)}
    errors = len(entries) + len(silent)
    assert counts["calls"] == world.calls().count("extract") == errors


@pytest.mark.parametrize("offers", [True, False])
def test_a_server_gives_the_answer_its_form_where_it_can(
    tmp_path: Path, chat_server: ChatServer, offers: bool
) -> None:
    world = World(tmp_path)
    said = [{"title": "t", "body": "b"}, {"title": "far", "body": "from it"}, {"title": "t", "body": "b"}]
    chat_server.say = json.dumps({"entries": said})
    chat_server.refuses = None if offers else "response_format"
    server = {
        "kind": "openai_compatible", "url": chat_server.url, "model": "m", "key": None,
        "temperature": 0.0, "max_tokens": 50, "timeout": 5.0,
    }  # fmt: skip
    other = {**world.values["teachers"][0], "name": "far", "endpoint": server}
    other |= {"price": {"input": 1.0, "output": 2.0}, "limits": {"max_usd": 1.0, "in_flight": 1}}
    world.values["teachers"].append(other)
    find_stage(world.values, "nesycd.know")["teacher"] = "far"
    entries, _, counts = made_by(world, TEACHER)
    assert [entry["values"] for entry in entries] == said[:2]
    for entry in entries:
        assert len(set(entry["sources"])) == len(entry["sources"]) == len(entry["inputs"]) > 1
    in_form = [call for call in chat_server.calls if "response_format" in call]
    schema = in_form[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["entries"]
    fields = schema["properties"]["entries"]["items"]
    assert fields["required"] == ["title", "body"] and fields["properties"]["body"] == {"type": "string"}
    assert len(in_form) == (counts["calls"] if offers else 1), (
        "a server that refuses is not asked for it again"
    )
    assert sum(entry["usd"] for entry in entries) == pytest.approx(counts["usd"], abs=2e-9)
    assert counts["usd"] > 0


WORDS = st.lists(st.sampled_from("add the two numbers 3 4 7 then carry one".split()), max_size=12)


@given(st.lists(WORDS, max_size=12))
def test_near_duplicates_are_what_comparing_every_pair_gives(given_texts: list[list[str]]) -> None:
    texts = [" ".join(words) for words in given_texts]
    expected: list[int] = []
    for place, text in enumerate(texts):
        own = set(text.split())
        alike = [
            other
            for other in range(place)
            if expected[other] == other and own and set(texts[other].split()) & own
            and {w for w in own if w.isdigit()} == {w for w in texts[other].split() if w.isdigit()}
            and len(own & set(texts[other].split())) >= ALIKE * len(own | set(texts[other].split())) - 1e-9
        ]  # fmt: skip
        expected.append(alike[0] if alike else place)
    assert near_duplicates(texts) == expected
