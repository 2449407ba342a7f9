"""Rules in source files: read from answers, merged beside a person's, never changed where a person decided."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.checks.accepted_rules import rule_stamp
from nesyc.cli.reweigh import reweighed, source_rules
from nesyc.format.format import format_text
from nesyc.fragments.answers import rules_said
from nesyc.fragments.proposals import EVIDENCE, MEASURED, Proposal, merge_proposals
from nesyc.fragments.rules import own_text, rules_in
from nesyc.parsing.project import load_spec
from nesyc.pipeline import check_spec
from nesyc_runtime.kb.proofs.contradictions import Broken
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.stages import rule_evidence
from nesyc_runtime.stages.ports import GoldClaim

NAME = "rules/learned.nesy"
HEAD = "nesy 1\nfragment of family\n"
UNCLE = "rule uncle_1: kin(x, c, .uncle) :- kin(x, b, .father), sibling(b, c), parent(_, c, .father);"
AUNT = "rule aunt: kin(x, c, .aunt) :- kin(x, b, .mother), sibling(b, c);"
OTHER = "rule aunt_7: kin(p, q, .aunt) :- kin(p, r, .father), sibling(r, q);"


def proposal(text: str, support: int = 5, *lines: str, run: str = "new") -> Proposal:
    return Proposal(text, "big", {"run": run, "support": support, "against": 1}, lines, 0.5)


@pytest.fixture
def learned() -> str:
    return (Path(__file__).parents[1] / "samples" / "kinship" / NAME).read_text(encoding="utf-8")


def test_rules_are_read_from_between_whatever_a_teacher_says() -> None:
    said = """Sure, a rule I like:
```nesy
@status(accepted, by = "me")
rule a 0.9: kin(x, "a;  # b") :- # a comment; with a sign
  parent(x, y);
```
1. `rule b: p(x) :- q(x);` and - rule c: r(x
 :- s(x)

A rule of thumb: none.
"""
    assert rules_said(said) == [
        'rule a 0.9: kin(x, "a;  # b") :- parent(x, y);',
        "rule b: p(x) :- q(x);",
    ]
    assert rules_said("rule c: r(x\n :- s(x)\n\nmore") == ["rule c: r(x :- s(x)"]
    assert rules_said("NONE") == []


@given(st.text(alphabet='rule a:-;#"\\\n`x(),', max_size=60))
def test_any_answer_is_read(text: str) -> None:
    for rule in rules_said(text):
        assert rule.startswith("rule ") and "\n" not in rule


def test_an_accepted_rule_stays_and_gets_its_evidence_as_a_comment(learned: str) -> None:
    merged = merge_proposals(NAME, learned, "family", [proposal(UNCLE, 44)])
    assert merged.outcomes == (("uncle_1", "noted"),)
    line = f'{EVIDENCE}: run = "new", support = 44, against = 1\n'
    assert merged.text.replace(line, "", 1) == learned, "nothing else changes"
    assert merge_proposals(NAME, merged.text, "family", [proposal(UNCLE, 44)]).text == merged.text
    later = merge_proposals(NAME, merged.text, "family", [proposal(UNCLE, 50)])
    assert later.text.count(EVIDENCE) == 1 and "support = 50" in later.text


def test_a_proposal_is_found_again_whatever_its_name_and_gets_the_evidence_of_now(learned: str) -> None:
    merged = merge_proposals(NAME, learned, "family", [proposal(AUNT, 9)])
    assert merged.outcomes == (("aunt_7", "updated"),)
    assert merged.text == learned.replace('"9f2c1a", prompt = "sha256:41ac", support = 6, against = 2', '"new", prompt = "sha256:41ac", support = 9, against = 1')  # fmt: skip


def test_a_new_rule_comes_last_under_a_free_name(learned: str) -> None:
    rules = [proposal(OTHER, 5, 'derives kin("x\n\x1b[31m"), which holds without it')]
    merged = merge_proposals(NAME, learned, "family", rules, {"aunt_7_2"})
    assert merged.outcomes == (("aunt_7_3", "added"),) and merged.text.startswith(learned.rstrip())
    assert "rule aunt_7_3 0.5: kin(p, q, .aunt)" in merged.text and "\x1b" not in merged.text
    block = HEAD + merged.text.removeprefix(learned.rstrip() + "\n")
    assert format_text(NAME, block).text == block, "what is added is in the one style"
    assert merge_proposals(NAME, merged.text, "family", rules, {"aunt_7_2"}).outcomes == (("aunt_7_3", "there"),)  # fmt: skip


def test_the_evidence_of_an_open_proposal_is_told_anew_and_a_persons_comment_stays() -> None:
    one, two = "derives kin(a), as x says", "derives kin(c), which holds without it"
    against = "against: derives kin(b); y says kin(d)"
    doubts = (
        "# derivable? I doubt it",
        "# derives its name from an old law (Ann)",
        "# derives kin(b), which is odd",
    )
    first = merge_proposals(NAME, None, "family", [proposal(AUNT, 3, one, against)]).text
    mine = first.replace(f"# {against}\n", "\n".join([f"# {against}", *doubts, ""]))
    lines = (one, two, "and 4 more of these")
    merged = merge_proposals(NAME, mine, "family", [proposal(AUNT, 4, *lines)])
    told = merged.text.split("@status(proposed)\n")[1].split("rule ")[0].splitlines()
    assert told == [*(f"# {line}" for line in lines), *doubts]
    assert merged.outcomes == (("aunt", "updated"),)
    assert merge_proposals(NAME, merged.text, "family", [proposal(AUNT, 4, *lines)]).text == merged.text
    less = merge_proposals(NAME, merged.text, "family", [proposal(AUNT, 4, two)])
    assert less.outcomes == (("aunt", "updated"),) and "as x says" not in less.text, "the counts may be equal"
    accepted = mine.replace("@status(proposed)", '@status(accepted, by = "mk")')
    noted = merge_proposals(NAME, accepted, "family", [proposal(AUNT, 4, *lines)]).text
    assert two not in noted and EVIDENCE in noted, "of what a person accepted not a word is changed"


@pytest.mark.parametrize(
    "rule",
    [
        f"{AUNT}\n",
        AUNT,
        AUNT.replace(":- ", ":-\n  ") + "\n",
        f"{AUNT}\n# derives kin(e), as x says\n{OTHER}\n",
    ],
)
def test_a_rule_beside_its_annotations_has_no_place_for_evidence(rule: str) -> None:
    text = f'{HEAD}@learned(by = big, run = "old") @status(proposed) {rule}'
    new = [proposal(AUNT, 4, "derives kin(a), as x says")]
    merged = merge_proposals(NAME, text, "family", new)
    learned = 'run = "new", support = 4, against = 1'
    assert merged.text == text.replace('run = "old"', learned), "nothing else changes"
    assert merge_proposals(NAME, merged.text, "family", new).outcomes == (("aunt", "there"),)


def test_evidence_begins_below_what_a_person_wrote_beside_an_annotation() -> None:
    text = f'{HEAD}@learned(by = big, run = "new", support = 5, against = 1)\n@status(proposed)  # Ann looks\n{AUNT}\n'
    merged = merge_proposals(NAME, text, "family", [proposal(AUNT, 5, "derives kin(a), as x says")])
    assert merged.text == text.replace("looks\n", "looks\n# derives kin(a), as x says\n")


KIN = ("kin", ("ann", 'bob "x")', "uncle"))


def test_all_evidence_that_is_written_is_known_again(monkeypatch: pytest.MonkeyPatch) -> None:
    gold = [
        GoldClaim("d/train/t1", claim, frozenset({1})) for claim in (KIN, ("kin", ("ann", "carl", "uncle")))
    ]
    found = [rule_evidence._by_items(KIN, [one]) for one in gold]
    for holds, broken in ((True, []), (False, [Broken("", "one_place")]), (False, [])):
        monkeypatch.setattr(rule_evidence, "holds", lambda *_, holds=holds: holds)
        monkeypatch.setattr(rule_evidence, "contradictions", lambda *_, broken=broken: broken)
        found.append(rule_evidence._by_kb(cast(Store, None), KIN))
    lines = list(rule_evidence._told([one for one in found if one is not None] * 3))
    assert len(lines) == 11 and "and 3 more against it" in lines and "and 3 more of these" in lines
    assert [line for line in lines if not MEASURED.match(f"# {line}")] == []


def test_what_a_person_wrote_or_rejected_stays(learned: str) -> None:
    text = HEAD + "# mine\nrule own 0.9:kin(a,c,.aunt):-kin(a,b,.mother),sibling(b,c);\n"
    assert merge_proposals(NAME, text, "family", [proposal(AUNT)]).text == text
    rejected = learned.replace("@status(proposed)", '@status(rejected, by = "mk")')
    merged = merge_proposals(NAME, rejected, "family", [proposal(AUNT, 99)])
    assert (merged.text, merged.outcomes) == (rejected, (("aunt_7", "rejected"),))


def test_line_ends_of_the_file_are_kept() -> None:
    text = (HEAD + "rule own: a(x) :- b(x);\n").replace("\n", "\r\n")
    merged = merge_proposals(NAME, text, "family", [proposal(AUNT)]).text
    assert merged.startswith(text.rstrip()) and merged.count("\n") == merged.count("\r\n")


def test_a_new_fragment_has_its_head() -> None:
    merged = merge_proposals(NAME, None, "family", [proposal(AUNT)])
    assert merged.text.startswith(HEAD + "\n@learned(by = big,")
    assert merge_proposals(NAME, None, "family", []).text == HEAD


SPEC = """nesy 1
kb family {
  relation parent(child: text, parent: text)
  derived kin(a: text, b: text)
  facts parent { ("ann", "bob") }
  @status(accepted, by = "mk", rule = "STAMP")
  RULE
}
test "t" for family { expect kin("ann", "bob"); }
"""


def codes(folder: Path, stamp: str, rule: str) -> list[str]:
    spec = folder / "s.nesy"
    spec.write_text(SPEC.replace("STAMP", stamp).replace("RULE", rule), encoding="utf-8")
    return [problem.code for problem in check_spec(spec).diagnostics]


def test_an_accepted_rule_that_reads_otherwise_now_is_an_error(tmp_path: Path) -> None:
    rule = "rule up 0.9: kin(a, b) :- parent(a, b);"
    stamp = rule_stamp(rule)
    assert codes(tmp_path, stamp, rule) == []
    assert codes(tmp_path, stamp, "# why\n  rule up 0.9:\n    kin(a, b)   :- parent(a, b);") == []
    assert codes(tmp_path, stamp, rule.replace("0.9", "0.5")) == ["E0803"]
    assert codes(tmp_path, stamp, rule.replace("parent(a, b)", "parent(a, b), a != b")) == ["E0803"]


def test_a_rules_own_text_is_without_annotations_and_comments(learned: str) -> None:
    rules = rules_in(NAME, learned.replace("rule uncle_1", "# c\n\nrule uncle_1"), "family")
    assert own_text(learned.replace("rule uncle_1", "# c\n\nrule uncle_1"), rules["uncle_1"]).startswith("rule uncle_1 0.88: kin(")  # fmt: skip


def test_new_weights_come_with_a_new_stamp(tmp_path: Path) -> None:
    rule = "rule up 0.9: kin(a, b) :- parent(a, b);"
    spec = tmp_path / "s.nesy"
    spec.write_text(SPEC.replace("STAMP", rule_stamp(rule)).replace("RULE", rule), encoding="utf-8")
    loaded = load_spec(spec)
    changed = reweighed(loaded.texts, source_rules(loaded, "family"), {"up": 0.5})
    spec.write_text(changed["s.nesy"], encoding="utf-8")
    assert "rule up 0.5" in changed["s.nesy"] and not check_spec(spec).diagnostics
