"""kill -9 amid extracting, inducing, validating and reviewing: the same command goes on, and no word is lost."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from nesyc.cli.rule_desk import RuleDesk
from nesyc.cli.rulebook import rulebook_of
from nesyc.fragments.rules import own_text, rules_in
from nesyc.pipeline import check_spec
from nesyc_runtime.kb.review.review import Review, proposals
from nesyc_runtime.stages.run import Options, run
from tests.stages.induce_world import SAYS, SPEC, InduceWorld

ROOT = Path(__file__).resolve().parents[2]
STAGES = (
    "  stage know   = extract(teacher = tutor, data = errors, into = family.lesson)\n"
    "  stage sound  = validate(know, data = people.dev)\n"
    "  stage firm   = validate(learn, data = people.dev)\n  stage final"
)
PAUSE = 0.02  # seconds that the teacher and the student take for each answer


def world_in(folder: Path) -> InduceWorld:
    says = {id_: (f"{rules[0]}\nTitle: none\nBody: about {id_}", rules[1]) for id_, rules in SAYS.items()}
    world = InduceWorld(folder, SPEC.replace("  stage final", STAGES), says)
    teach = folder / "teach.py"
    teach.write_text(
        "import time\n" + teach.read_text().replace("    said =", f"    time.sleep({PAUSE})\n    said =")
    )
    answer = world.learner.answer

    def slow(prompt: str) -> str:
        time.sleep(PAUSE)
        return answer(prompt)

    world.learner.answer = slow  # type: ignore[method-assign]
    return world


def main(folder: Path, what: str) -> None:
    world = world_in(folder)
    if what == "run":
        with ExitStack() as stack:
            ctx = world.open(stack)
            (folder / "ready").touch()
            run(ctx, Options())
    else:
        review(world)


def review(world: InduceWorld) -> None:
    """Accept, reject and take back what waits, entries and rules, on and on."""
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        store = ctx.knowledge.store("family")
        desk = RuleDesk(rulebook_of(ctx.build, ctx.project), store)
        (world.folder / "ready").touch()
        for number in itertools.count():
            waiting = [*desk.waiting(), *proposals(store)]
            session = Review(store, "ada", waiting, rules=desk)
            session.move(number % len(waiting))
            (session.accept if number % 2 else session.reject)(f"for the {number}th time")
            assert session.take_back()


def killed(folder: Path, what: str, source: random.Random, longest: float) -> bool:
    """Whether the child was alive when it was killed, at a random moment of its work."""
    (folder / "ready").unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.stages.test_kill_induce", str(folder), what]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT}/runtime"})
    deadline = time.monotonic() + 60
    while not (folder / "ready").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(source.random() * longest)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def outcome(world: InduceWorld) -> tuple[str, list[str], list[str]]:
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        rows = [str(dict(one.values)) for one in proposals(ctx.knowledge.store("family"))]
    return world.fragment.read_text(), rows, sorted(set(world.calls()))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_killed_run_goes_on_and_repeats_no_call(tmp_path: Path) -> None:
    unbroken = tmp_path / "unbroken"
    unbroken.mkdir()
    world_in(unbroken).run()
    expected = outcome(world_in(unbroken))
    source, alive = random.Random(11), 0
    left = kills_wanted = int(os.environ.get("NESYC_KILLS", "2"))
    for number in itertools.count():
        folder = tmp_path / str(number)
        folder.mkdir()
        kills = 0
        while left and killed(folder, "run", source, 0.5):  # again and again, until it gets to the end
            left, alive, kills = left - 1, alive + 1, kills + 1
        world = world_in(folder)
        world.run()
        assert outcome(world) == expected
        assert len(world.calls()) <= len(expected[2]) + kills, (
            "but for those in flight nothing is asked twice"
        )
        if not left:
            break
        left -= 1  # one that came too late counts too
    assert alive or kills_wanted < 10, "the child always ended first: nothing was tested"


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_killed_review_leaves_whole_decisions(tmp_path: Path) -> None:
    world = world_in(tmp_path)
    world.run()
    before = world.fragment.read_text()
    rules = {name: own_text(before, rule) for name, rule in rules_in("f", before, "family").items()}
    rows = len(outcome(world)[1])
    stored = (tmp_path / "family.db").read_bytes()
    source = random.Random(12)
    for _ in range(int(os.environ.get("NESYC_KILLS", "2"))):
        assert killed(tmp_path, "review", source, 0.5)
        text = world.fragment.read_text()
        now = rules_in("f", text, "family")
        assert {name: own_text(text, rule) for name, rule in now.items()} == rules
        assert text.count("@status(") == len(rules) == 2
        assert not [one for one in check_spec(tmp_path / "kin.nesy").diagnostics if one.severity == "error"]
        assert rows - 1 <= len(outcome(world)[1]) <= rows
        world.fragment.write_text(before)  # at most one decision stood without being taken back
        for rest in tmp_path.glob("family.db*"):
            rest.unlink()
        (tmp_path / "family.db").write_bytes(stored)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
