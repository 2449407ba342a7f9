"""`nesyc diff`: facts gained and lost, prompts that read otherwise, stages to run again; nothing is changed by it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.diff import compare, text_of
from nesyc_runtime.stages.last_run import last_run, remember_run
from nesyc_runtime.stages.run import Options
from nesyc_runtime.stages.run import run as run_stages
from tests.stages.induce_world import SPEC, InduceWorld

KB = """nesy 1
kb family {
  semantics = max_min
  relation parent(child: text, parent: text) { key (child, parent) }
  derived ancestor(a: text, b: text)
  facts parent from csv("parent.csv")
  rule base 0.9: ancestor(a, b) :- parent(a, b);
  rule step: ancestor(a, c) :- ancestor(a, b), parent(b, c);
  say ancestor = "{b} is an ancestor of {a}."
}
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository" / "inner"
    folder.mkdir(parents=True)
    (folder / "nesyc.yaml").write_text("")
    (folder / "family.nesy").write_text(KB)
    (folder / "parent.csv").write_text("child,parent\nann,bob\nbob,carl\n")
    monkeypatch.chdir(folder)
    git(tmp_path / "repository", "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    return json.loads(result.stdout) if code == 0 else str(getattr(result.exception, "message", ""))


def args(side: Any) -> list[list[str]]:
    return [fact["args"] for fact in side["facts"]]


def test_since_a_revision(project: Path) -> None:
    (project / "parent.csv").write_text("child,parent\nann,bob\ndora\x1b,ann\n")
    (project / "family.nesy").write_text(KB.replace("rule base 0.9", "rule base 0.8"))
    found = run("diff", "HEAD")
    (kb,) = found["kbs"]
    assert (args(kb["gained"]), args(kb["lost"])) == (
        [["dora\x1b", "ann"], ["dora\x1b", "bob"]],
        [["ann", "carl"], ["bob", "carl"]],
    )
    assert kb["other_confidence"] == 1 and found["base"] == "HEAD"
    assert kb["lost"]["facts"][0]["text"] == "carl is an ancestor of ann."
    shown = CliRunner().invoke(app, ["diff", "HEAD"]).output
    assert "  - ancestor(ann, carl)   carl is an ancestor of ann." in shown and "\x1b" not in shown
    assert run("diff", "HEAD", "--limit", "1")["kbs"][0]["lost"] == {
        **kb["lost"],
        "facts": kb["lost"]["facts"][:1],
    }
    git(project, "commit", "-qam", "second")
    assert run("diff", "HEAD")["kbs"][0]["gained"]["total"] == 0
    assert run("diff", "HEAD~1")["kbs"][0]["gained"]["total"] == 2


def test_since_the_last_run_also_of_what_stages_and_people_wrote(project: Path) -> None:
    assert "never run" in run("diff", code=1)
    run("run", "family.nesy")
    assert run("diff")["kbs"][0]["gained"]["total"] == 0
    (project / "parent.csv").write_text("child,parent\nann,bob\nbob,carl\ndora,ann\n")
    run("query", 'ancestor("dora", x)')  # the store is in step with the text now
    for _ in range(2):
        kb = run("diff")["kbs"][0]
        assert (args(kb["gained"]), kb["lost"]["total"]) == (
            [["dora", "ann"], ["dora", "bob"], ["dora", "carl"]],
            0,
        )
    run("run")
    assert run("diff")["kbs"][0]["gained"]["total"] == 0


def test_a_changed_schema_says_so(project: Path) -> None:
    (project / "family.nesy").write_text(
        KB.replace(
            "derived ancestor(a: text, b: text)", "derived ancestor(a: text, b: text)\n  derived old(a: text)"
        )
    )
    assert "not what they were" in run("diff", "HEAD")["kbs"][0]["problem"]


@pytest.mark.parametrize("revision", ["nowhere", "--output=/tmp/x"])
def test_a_revision_that_is_none(project: Path, revision: str) -> None:
    told = CliRunner().invoke(app, ["diff", "--", revision])
    assert told.exit_code == 1 and "git cannot read" in str(getattr(told.exception, "message", ""))


EVALUATE = """evaluate main of p.base on people.dev { retrieve = hints  report accuracy }
"""


def test_prompts_and_stages(tmp_path: Path) -> None:
    world = InduceWorld(tmp_path, SPEC + EVALUATE)
    world.run()
    with ExitStack() as stack:
        ctx = world.open(stack)
        remember_run(ctx.build, ctx.project, ctx.run, {"family": ctx.knowledge.store("family")})
        base = last_run(ctx.project, "kin")
        assert base is not None
        same = compare(ctx, base, limit=0)
    assert (same["stages"], [one["changed"] for one in same["prompts"]]) == ([], [0, 0])
    text = world.fragment.read_text().replace("@status(proposed)", '@status(accepted, by = "ada")', 1)
    world.fragment.write_text(text)
    with ExitStack() as stack:
        ctx = world.open(stack)
        found = compare(ctx, base, limit=0)
    assert found["kbs"][0]["gained"]["total"] == 4
    training, prompt = found["prompts"]
    assert (training["name"], training["training"], training["split"]) == ("p.final", True, "p.cot")
    assert (training["items"], training["changed"]) == (5, 4)
    assert "carl is the grandfather of ann." in training["first"][0]["now"]
    assert "final: 4 of 5 training prompts from p.cot changed" in text_of(found).replace("p.final", "final")
    assert (prompt["items"], prompt["changed"], prompt["first"][0]["id"]) == (3, 1, "d1")
    assert "jon is the grandfather of finn." in prompt["first"][0]["now"]
    assert (training["answered"], prompt["answered"]) == (None, {"right": 0, "wrong": 1})
    assert "1 of 3 prompts on people.dev changed, answered before: 0 right, 1 wrong" in text_of(found)
    assert {one["name"] for one in found["stages"]} == {"final", "main:p.base"}
    assert "final: would run: " in text_of(found) and "1 of 3 prompts on people.dev changed" in text_of(found)


class Letters:
    """How often a few letters stand in a text."""

    identity = "letters"

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        return np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=np.float32)


def test_prompts_of_a_search_by_meaning(tmp_path: Path) -> None:
    vectors = SPEC.replace(
        "relation lesson(id: int, body: text) { key (id), fulltext (body) }",
        "relation lesson(id: int, body: text, vec: vector(3) = embed(mini, body)) { key (id), nearest (vec, cosine) }\n"
        '  facts lesson { (1, "aaab") (2, "bbbc") }',
    ).replace("search = fulltext(lesson.body, kin)", "search = nearest(lesson.vec), take = 1")
    spec = (
        vectors.replace("enum Kin", 'embedder mini { base = local("model"), dim = 3 }\nenum Kin') + EVALUATE
    )
    world = InduceWorld(tmp_path, spec)

    def opened(stack: ExitStack) -> Any:
        ctx = world.open(stack)
        ctx.knowledge._embedder = lambda _: Letters()  # type: ignore[attr-defined]
        return ctx

    with ExitStack() as stack:
        ctx = opened(stack)
        run_stages(ctx, Options())
        remember_run(ctx.build, ctx.project, ctx.run, {"family": ctx.knowledge.store("family")})
        base = last_run(ctx.project, "kin")
        assert base is not None
        assert [one["changed"] for one in compare(ctx, base, limit=0)["prompts"]] == [0, 0]
    (world.folder / "kin.nesy").write_text(spec.replace('(2, "bbbc")', '(2, "aaac")'))
    with ExitStack() as stack:
        found = compare(opened(stack), base, limit=0)["prompts"]
    assert sum(one["changed"] for one in found) > 0 and "aaac" in found[0]["first"][0]["now"]
    (world.folder / "kin.nesy").write_text(spec.replace('local("model")', 'local("other")'))
    with ExitStack() as stack:
        assert compare(opened(stack), base, limit=0)["prompts"] == [], "vectors of another model say nothing"
