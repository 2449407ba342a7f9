"""Reviewing rules: the evidence, what accepting one changes, and decisions that stand in the source."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nesyc.checks.accepted_rules import rule_stamp
from nesyc.cli.app import app
from nesyc.cli.current import choose
from nesyc.cli.query import opened
from nesyc.cli.review_screen import ReviewScreen
from nesyc.cli.rule_desk import RuleDesk
from nesyc.cli.rulebook import SourceRulebook
from nesyc.pipeline import check_spec
from nesyc_runtime.kb.review.review import Review

SPEC = """nesy 1
kb family {
  semantics = max_min
  ceiling = origin_cap(human = 1.0, teacher = 0.9, unreviewed = 0.6)
  relation parent(child: text, parent: text) { key (child, parent) }
  relation lesson(id: int, body: text) { key (id) }
  derived kin(a: text, b: text, rel: text) { unique (a, b) resolve highest_conf }
  facts parent { ("ann", "bob") ("bob", "carl") }
  rule base 0.5: kin(a, b, "elder") :- parent(a, b);
  say kin = "{b} is the {rel} of {a}."
  include "learned.nesy"
}
"""
LEARNED = """nesy 1
fragment of family

# a person's remark
@learned(by = big, run = "r1", support = 4, against = 1, seen = ["d/train/1"])
@status(proposed)
# derives kin(ann, carl, grand), as d/train/1 says\x1b[2J
rule grand 0.8: kin(a, c, "grand") :- parent(a, b), parent(b, c);

@learned(by = big, run = "r1", support = 5, against = 2)
@status(proposed)
rule parents 0.7: kin(a, b, "parent") :- parent(a, b);
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("", encoding="utf-8")
    (tmp_path / "family.nesy").write_text(SPEC, encoding="utf-8")
    (tmp_path / "learned.nesy").write_text(LEARNED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str, code: int = 0, command: str = "review") -> Any:
    result = CliRunner().invoke(app, [command, *arguments, "--json"])
    assert result.exit_code == code, (result.output, result.exception)
    if code:
        return str(getattr(result.exception, "message", result.output))
    return json.loads(result.stdout)


def learned(project: Path) -> str:
    return (project / "learned.nesy").read_text(encoding="utf-8")


def test_the_list_tells_the_evidence_and_what_would_change(project: Path) -> None:
    found = run("--list")
    assert [one["name"] for one in found["rules"]] == ["rule:grand", "rule:parents"]
    grand, parents = found["rules"]
    assert grand["learned"]["support"] == "4" and grand["place"] == "learned.nesy:8"
    assert grand["evidence"][0].startswith("derives kin(ann, carl, grand)")
    gained = grand["effect"]["gained"]
    assert (gained["total"], gained["facts"][0]["args"]) == (1, ["ann", "carl", "grand"])
    assert gained["facts"][0]["conf"] == 0.8 and gained["facts"][0]["text"] == "carl is the grand of ann."
    assert grand["effect"]["lost"]["total"] == 0
    assert (
        grand["effect"]["proofs"][0]["rule"] == "grand" and len(grand["effect"]["proofs"][0]["children"]) == 2
    )
    assert (parents["effect"]["gained"]["total"], parents["effect"]["lost"]["total"]) == (2, 2)
    shown = CliRunner().invoke(app, ["review", "--list"]).output
    assert "\x1b" not in shown and "accepting it: 2 derived facts lost" in shown
    assert "- kin(ann, bob, elder)" in shown and "by grand" in shown
    assert run('kin("ann", "carl", x)', command="query")["total"] == 0, "a look changes nothing"


def test_accepting_writes_who_when_and_what_into_the_source(project: Path) -> None:
    done = run("--accept", "rule:grand", "--note", 'so "it" is', "--by", "ada")
    assert (done["accepted"], done["left"]) == (["rule grand"], 1)
    text = learned(project)
    stamp = rule_stamp('rule grand 0.8: kin(a, c, "grand") :- parent(a, b), parent(b, c);')
    assert (
        '@status(accepted, by = "ada", on = "' in text
        and f'note = "so \\"it\\" is", rule = "{stamp}")' in text
    )
    before, after = LEARNED.splitlines(), text.splitlines()
    assert [line for line in after if line not in before] == [after[5]], "nothing else changes"
    assert run('kin("ann", "carl", x)', command="query")["rows"][0]["values"] == ["grand"]
    (project / "learned.nesy").write_text(text.replace("grand 0.8", "grand 0.9"), encoding="utf-8")
    assert [problem.code for problem in check_spec(project / "family.nesy").diagnostics] == ["E0803"]
    assert CliRunner().invoke(app, ["run", "family.nesy"]).exception.__class__.__name__ == "SpecErrors"


def test_a_rejected_rule_stays_as_such(project: Path) -> None:
    done = run("--reject", "rule:*", "--note", "no", "--by", "ada")
    assert done["rejected"] == ["rule grand", "rule parents"]
    assert learned(project).count('@status(rejected, by = "ada"') == 2
    assert run("--list")["total"] == 0
    run("--accept", "rule:grand", "--by", "bo")
    assert learned(project).count("@status(accepted") == 1, "a decision may be taken anew, by name"


def test_an_edit_is_compiled_before_it_is_written(project: Path) -> None:
    told = run(
        "--edit",
        "rule:grand",
        "--to",
        'rule grand: kin(a, c, "grand") :- parent(a, b), not parent(c, d);',
        code=1,
    )
    assert "E0401" in told or "E0402" in told
    assert learned(project) == LEARNED
    run(
        "--edit",
        "rule:grand",
        "--to",
        'rule grands 0.6: kin(a, c, "grand") :- parent(a, b), parent(b, c), a != c;',
        "--by",
        "ada",
    )
    assert "# a person's remark" in learned(project) and "rule grands 0.6: " in learned(project)
    assert "rule grand 0.8" not in learned(project)
    assert run('kin("ann", "carl", x)', command="query")["rows"][0]["conf"] == 0.6


@pytest.mark.parametrize("arguments", [("--accept", "rule:nobody"), ("--accept", "lesson:9")])
def test_a_wrong_name_decides_nothing(project: Path, arguments: tuple[str, ...]) -> None:
    run("--accept", "rule:grand", *arguments, code=1)
    assert learned(project) == LEARNED


def test_the_screen_decides_on_rules_too(project: Path) -> None:
    with opened(None, None, None, None, None) as (_, _, store):
        choice, _ = choose(None, None, None, {})
        desk = RuleDesk(SourceRulebook(choice.spec.absolute(), None, {}), store)
        review = Review(store, "ada", [*desk.waiting()], rules=desk)

        async def session() -> None:
            screen = ReviewScreen(review)
            async with screen.run_test(size=(120, 40)) as pilot:
                await pilot.pause()
                shown = str(screen.query_one("#details").render())
                assert "accepting it: 1 derived facts gained" in shown and "\x1b" not in shown
                await pilot.press("a", "u", "r")
                await pilot.press(*"no", "enter")
                await pilot.pause()
                await pilot.press("e")
                await pilot.pause()
                area = screen.screen.query_one("TextArea")
                area.text = area.text.replace("0.7", "0.6")
                await pilot.press("ctrl+s")
                await pilot.pause()

        asyncio.run(session())
    assert review.counts == {"accepted": 0, "edited": 1, "rejected": 1}
    assert "rule parents 0.6" in learned(project) and 'note = "no"' in learned(project)
