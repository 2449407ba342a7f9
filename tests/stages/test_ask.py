"""Asking: inputs, the model last trained, knowledge as it is now, votes, gates, rejection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nesyc_runtime.errors import UserError
from nesyc_runtime.report.answers import answer_text
from nesyc_runtime.stages.ask import answer_policy, ask, read_inputs
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.ports import Contradiction, Reply
from nesyc_runtime.stages.respond import tuned_gate
from nesyc_runtime.stages.results import decisions
from nesyc_runtime.stages.run import Options, run
from tests.stages.world import INT, TEXT, World, field, find_stage, location


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path)
    world.values["answers"] = [
        location(
            task="double",
            model="nesycd.final",
            retrieve="hints",
            format=None,
            samples=1,
            temperature=0.7,
            vote="majority",
            reject=[],
        )
    ]
    return world


@pytest.fixture
def opened(world: World) -> Iterator[Context]:
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        yield ctx


def ask_for(ctx: Context, n: int) -> dict[str, Any]:
    return ask(ctx, answer_policy(ctx.spec, None), {"n": n})


def test_the_contract(opened: Context) -> None:
    result = ask_for(opened, 18)
    assert {"v", "answer", "conf", "reasoning", "abstained", "gate", "hits", "facts", "rejected"} <= set(
        result
    )
    assert (result["answer"], result["conf"], result["abstained"], result["gate"]) == (36, 1.0, False, None)
    assert result["hits"][0]["key"] == [18] and result["note"] is None
    assert answer_text(result).startswith("36  (confidence 1.00)")


def test_an_edit_of_the_kb_counts_at_once_and_nothing_is_trained(world: World, opened: Context) -> None:
    assert ask_for(opened, 4000)["answer"] == 36
    kb = json.loads((world.folder / "kb.json").read_text())
    kb["person"] = [{"body": "the double of 4000 is 8000", "n": [4000]}]
    (world.folder / "kb.json").write_text(json.dumps(kb))
    world.values["params"]["budget"] = 2.0
    with ExitStack() as stack:
        ctx = world.context(stack)
        result = ask_for(ctx, 4000)
    assert result["answer"] == 8000
    assert world.learner.trainings == []
    assert "spec has changed since the model was trained" in result["note"]


def test_an_untrained_model_says_how_to_train_it(world: World) -> None:
    with ExitStack() as stack, pytest.raises(UserError, match="not trained yet") as error:
        ask_for(world.context(stack), 1)
    assert error.value.help == "nesyc run --select nesycd.final"


class Says:
    """A student that gives the texts in turn."""

    def __init__(self, *texts: tuple[str, float]) -> None:
        self.texts = texts
        self.prompts: list[str] = []

    def train(self, *_: Any, **__: Any) -> None:
        raise AssertionError("nothing is trained")

    def respond(
        self,
        student: str,
        weights: Path | None,
        prompts: Sequence[str],
        *,
        on_reply: Callable[[int, Reply], None],
        **_: Any,
    ) -> None:
        for index, prompt in enumerate(prompts):
            text, confidence = self.texts[len(self.prompts) % len(self.texts)]
            self.prompts.append(prompt)
            on_reply(index, Reply(text, confidence, 1))


class SaysCut(Says):
    """Has no room for the whole prompt."""

    def respond(self, *arguments: Any, on_reply: Callable[[int, Reply], None], **rest: Any) -> None:
        def reply(index: int, given: Reply) -> None:
            on_reply(index, replace(given, cut=("knowledge",)))

        super().respond(*arguments, on_reply=reply, **rest)


def test_a_prompt_that_lost_something_says_so(opened: Context) -> None:
    opened.learner = SaysCut(("answer: 1", 0.9))
    note = ask(opened, with_policy(opened), {"n": 1})["note"]
    assert "the prompt lost the end of what was retrieved, to fit" in note
    opened.learner = Says(("answer: 1", 0.9))
    assert ask(opened, with_policy(opened), {"n": 1})["note"] is None


def with_policy(ctx: Context, **values: Any) -> Any:
    return answer_policy(ctx.spec, None).model_copy(update=values)


SAMPLES = (("answer: 1", 0.9), ("answer: 2", 0.4), ("so answer: 2", 0.4), ("nonsense", 0.3))


def test_majority_and_weighted_votes(opened: Context) -> None:
    opened.learner = Says(*SAMPLES)
    result = ask(opened, with_policy(opened, samples=4), {"n": 1})
    assert (result["answer"], result["conf"]) == (2, 0.5)
    opened.learner = Says(*SAMPLES)
    result = ask(opened, with_policy(opened, samples=4, vote="weighted"), {"n": 1})
    assert (result["answer"], result["conf"]) == (1, 0.45)


def test_nothing_readable_abstains(opened: Context) -> None:
    opened.learner = Says(("I do not know \x1b[31m", 0.3))
    result = ask(opened, with_policy(opened), {"n": 1})
    assert result["abstained"] and result["answer"] is None and result["conf"] == 0.0
    assert "\x1b" not in answer_text(result)


def test_a_contradicted_answer_is_rejected_and_said_so(world: World) -> None:
    place = {"location": world.values["tasks"][0]["location"]}
    terms = [
        {"kind": "var", "name": "n", "type": INT},
        {"kind": "const", "value": "twice", "type": TEXT},
        {"kind": "var", "name": "answer", "type": INT},
    ]
    claim = {"kind": "atom", "relation": "doubled", "terms": terms, "text": "", "negated": False, **place}
    world.values["tasks"][0]["claims"] = [claim]
    asked: list[Any] = []

    def contradictions(kb: str, claims: Sequence[Any]) -> list[Contradiction]:
        asked.append((kb, list(claims)))
        return [Contradiction(str(c), "no_two") for c in claims if c[1][2] == 2]

    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        ctx.knowledge.contradictions = contradictions  # type: ignore[method-assign]
        ctx.learner = Says(*SAMPLES)
        result = ask(ctx, with_policy(ctx, samples=4, reject=("facts",)), {"n": 7})
    assert asked[0] == ("facts", [("doubled", (7, "twice", 2))])
    assert result["answer"] == 1
    assert result["rejected"] == [{"answer": 2, "claim": "('doubled', (7, 'twice', 2))", "by": "no_two"}]


def test_the_gate_asks_the_kb_only_where_the_student_is_unsure(world: World) -> None:
    world.values["retrieves"][0]["gate"] = {"below": 0.5, "tuned": None}
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        known, unknown = ask_for(ctx, 3), ask_for(ctx, 500)
    assert known["gate"] == unknown["gate"] == 0.5
    assert known["hits"] == [] and "the double of" not in known["prompt"]
    assert unknown["hits"] and unknown["answer"] == 36


def test_a_sure_answer_is_decoded_once_and_samples_are_drawn_besides(world: World) -> None:
    world.values["retrieves"][0]["gate"] = {"below": 0.5, "tuned": None}
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        for confidence, samples, decoded in ((0.5, 1, 1), (0.4, 1, 2), (0.5, 3, 4), (0.4, 3, 4)):
            ctx.learner = says = Says(("answer: 6", confidence))  # type: ignore[assignment]
            result = ask(ctx, with_policy(ctx, samples=samples), {"n": 3})
            assert len(says.prompts) == decoded and result["answer"] == 6
            assert bool(result["hits"]) == (confidence < 0.5), "below the gate the KB is asked"
            assert result["prompt"] == says.prompts[-1]


def test_a_tuned_gate_is_found_on_its_split_and_used(world: World) -> None:
    dev = world.values["datasets"][0]["splits"][0]
    world.values["datasets"][0]["splits"].append(
        {**dev, "name": "dev", "source": {**dev["source"], "path": {"root": "", "pattern": "dev.jsonl"}}}
    )
    rows = [{"q": f"d{n}", "n": n, "gold": g} for n, g in ((300, 36), (301, 36), (302, 0))]
    (world.folder / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    world.values["retrieves"][0]["gate"] = {"below": None, "tuned": "d.dev"}
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        gate = json.loads((ctx.folder("main:nesycd.final") / "gate.json").read_text())["gate"]
        assert 0.25 < gate < 0.26
        made = [one for one in decisions(ctx)["decisions"] if one["what"] == "gate of main:nesycd.final"]
        assert (
            made[0]["choice"] == f"the KB is asked below confidence {gate:.6g}" and "d.dev" in made[0]["why"]
        )
        assert ask_for(ctx, 500)["gate"] == gate


@pytest.mark.parametrize(
    ("verdicts", "low", "high"),
    [
        ([], 0.0, 0.0),
        ([(0.2, True, True), (0.4, False, False)], 0.0, 0.0),
        ([(0.2, False, True), (0.8, True, False)], 0.2, 0.8),
        ([(0.2, False, True), (0.5, False, True)], 0.5, 0.51),
        ([(0.2, True, False), (0.5, False, True), (0.6, False, True)], 0.6, 0.61),
        ([(0.3, False, True), (0.3, True, False), (0.9, True, False)], 0.0, 0.0),
    ],
)
def test_tuning(verdicts: list[tuple[float, bool, bool]], low: float, high: float) -> None:
    gate = tuned_gate(verdicts)
    assert low <= gate <= high
    assert not any(gate == confidence for confidence, _, _ in verdicts)


@pytest.mark.parametrize(
    ("text", "given", "said"),
    [
        (None, None, "there is no question"),
        ("x", None, "input `n`: found 'x', expected an int"),
        (None, '{"n": 1, "m": 2}', "has no input `m`"),
        (None, "{}", "input `n`: is null"),
        (None, "[1]", "not a JSON object"),
        (None, "{", "not JSON"),
    ],
)
def test_bad_questions(world: World, text: str | None, given: str | None, said: str) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        with pytest.raises(UserError) as error:
            read_inputs(ctx.spec, ctx.task("double"), text, given)
    assert said in error.value.message


def test_text_is_the_only_text_input(world: World) -> None:
    task = world.values["tasks"][0]
    optional = field("hint", {**INT, "nullable": True})
    with ExitStack() as stack:
        task["inputs"] = [field("story", TEXT), optional]
        ctx = world.context(stack)
        assert read_inputs(ctx.spec, ctx.task("double"), "once", None) == {"story": "once", "hint": None}
        task["inputs"] = [field("story", TEXT), field("who", TEXT)]
        ctx = world.context(stack)
        with pytest.raises(UserError, match="more than one text: story, who") as error:
            read_inputs(ctx.spec, ctx.task("double"), "once", None)
    assert error.value.help == """--input '{"story": "...", "who": "..."}'"""


def test_which_answer_block(world: World) -> None:
    with ExitStack() as stack:
        ctx = world.context(stack)
        assert answer_policy(ctx.spec, "double").model == "nesycd.final"
        with pytest.raises(UserError, match="no `answer other` block"):
            answer_policy(ctx.spec, "other")
    assert find_stage(world.values, "nesycd.final")["retrieve"] == "hints"
