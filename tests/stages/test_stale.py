"""A source that changes marks what people accepted of it stale: nothing is overwritten, removed, or put out of use."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from nesyc.cli.rule_desk import RuleDesk
from nesyc.cli.rulebook import rulebook_of
from nesyc.fragments.rules import own_text, rules_in
from nesyc_runtime.data.splits import Datasets
from nesyc_runtime.kb.exchange.exchange import export_rows
from nesyc_runtime.kb.exchange.merge import merge
from nesyc_runtime.kb.exchange.tabular import from_jsonl, to_jsonl
from nesyc_runtime.kb.review.decisions import accept, edit
from nesyc_runtime.kb.review.log import read_log
from nesyc_runtime.kb.review.review import Proposal, RuleProposal, proposals
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.stages.plan import make_plan
from nesyc_runtime.stages.run import Options, run
from tests.stages.induce_world import SAYS, SPEC, InduceWorld

ENTRIES = "  stage know   = extract(teacher = tutor, data = errors, into = family.lesson)\n  stage final"


@pytest.fixture
def world(tmp_path: Path) -> InduceWorld:
    says = {id_: (f"{rules[0]}\nTitle: none\nBody: about {id_}", rules[1]) for id_, rules in SAYS.items()}
    return InduceWorld(tmp_path, SPEC.replace("  stage final", ENTRIES), says)


def waiting(world: InduceWorld) -> dict[str, Proposal | RuleProposal]:
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        store = ctx.knowledge.store("family")
        desk = RuleDesk(rulebook_of(ctx.build, ctx.project), store)
        return {one.name: one for one in (*proposals(store), *desk.waiting())}


def in_store(world: InduceWorld, stack: ExitStack) -> Store:
    ctx = world.open(stack)
    ctx.knowledge.prepare()
    store: Store = ctx.knowledge.store("family")
    return store


def review(world: InduceWorld, *, rules: bool = True) -> None:
    """Accept every entry but the second, which gets other words, and the rules."""
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        store = ctx.knowledge.store("family")
        for one in proposals(store):
            if one.key == (2,):
                edit(store, "lesson", one.key, {"body": "better words"}, who="ada")
            else:
                accept(store, "lesson", one.key, who="ada")
        desk = RuleDesk(rulebook_of(ctx.build, ctx.project), store)
        for rule in desk.waiting() if rules else ():
            desk.accept(rule, who="ada", note="seen")


def lessons(store: Store) -> dict[int, tuple[str, str, float]]:
    found = store.execute("SELECT id, body, status, conf FROM lesson").fetchall()
    return {id_: (body, status, conf) for id_, body, status, conf in found}


def change(world: InduceWorld, old: str, new: str) -> None:
    file = world.folder / "train.jsonl"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


def test_an_item_that_changes_marks_what_was_drawn_from_it(world: InduceWorld) -> None:
    world.run()
    review(world)
    text = world.fragment.read_text()
    with ExitStack() as stack:
        before = lessons(in_store(world, stack))
    assert {status for _, status, _ in before.values()} == {"accepted"} and "stale" not in text
    assert not waiting(world) and world.run() and not waiting(world), "nothing changed: nothing is stale"
    change(world, '{"id": "t4", "a": "ann"', '{"id": "t4", "a": "gina"')  # fmt: skip
    world.run()
    assert any("1 accepted entries of family.lesson are stale" in note for note in world.reporter.notes)
    after = waiting(world)
    assert {name for name in after if "lesson" in name} == {"lesson:4"}
    assert isinstance(entry := after["lesson:4"], Proposal) and entry.stale == ("p.errors/t4",)
    with ExitStack() as stack:
        store = in_store(world, stack)
        now = lessons(store)
        assert {**now, 4: before[4]} == before, "only the mark: what it says and how sure stays"
        assert now[4] == (before[4][0], "stale", before[4][2])
        last = next(one for one in read_log(store)["changes"] if "sources changed" in one["why"])
        assert last["who"] == "stage:p.know"
        (row,) = last["rows"]
        assert (row["before"]["status"], row["after"]["status"]) == ("accepted", "stale")


def test_what_a_person_made_of_an_entry_is_marked_too_and_accepting_ends_it(world: InduceWorld) -> None:
    world.run()
    review(world)
    change(world, '{"id": "t2", "a": "dora"', '{"id": "t2", "a": "ann"')
    world.run()
    assert isinstance(entry := waiting(world)["lesson:2"], Proposal) and entry.stale == ("p.errors/t2",)
    assert (entry.values["body"], entry.owner) == ("better words", "person")
    with ExitStack() as stack:
        accept(in_store(world, stack), "lesson", [2], who="bob")
    world.run()
    assert "lesson:2" not in waiting(world), "asked again only where something changes again"
    change(world, '{"id": "t2", "a": "ann", "b": "carl", "label": "grandfather"}\n', "")
    world.run()
    assert "lesson:2" in waiting(world), "an item that is no more is a change"


def test_a_rule_is_marked_in_its_source_and_stays_in_force(world: InduceWorld) -> None:
    world.run()
    review(world)
    before = world.fragment.read_text()
    assert "as_of = [" in before and "answer = " in before
    change(world, '{"id": "t5", "a": "dora", "b": "cleo"', '{"id": "t5", "a": "ann", "b": "cleo"')
    world.run()
    after = world.fragment.read_text()
    old, new = rules_in("f", before, "family"), rules_in("f", after, "family")
    assert {n: own_text(before, r) for n, r in old.items()} == {n: own_text(after, r) for n, r in new.items()}
    assert after.count("@status(stale, by = ") == 1
    stale = waiting(world)["rule:base_2"]
    assert isinstance(stale, RuleProposal) and stale.stale == "changed: people/train/t5"
    assert 'by = "ada"' in after and 'note = "seen"' in after and after.count('rule = "sha256:') == 2
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.knowledge.prepare()
        rule = next(one for one in ctx.spec.kbs[0].rules if one.name == "base_2")
        assert rule.active and rule.origin == "teacher"
        effect = RuleDesk(rulebook_of(ctx.build, ctx.project), ctx.knowledge.store("family")).effect(stale)
        assert effect["lost"]["total"] > 0 and effect["gained"]["total"] == 0, "what rejecting it takes away"
        states = {item.node.id: item.state for item in make_plan(ctx)}
    assert set(states.values()) == {"done"}, "a mark runs nothing again"
    world.run()
    assert world.fragment.read_text() == after


def test_another_answer_of_the_teacher_marks_what_was_drawn_from_it(world: InduceWorld) -> None:
    world.run()
    review(world)
    teach = world.folder / "teach.py"
    teach.write_text(
        teach.read_text().replace("about t1", "quite another thing").replace("Here is one", "Take")
    )
    world.run(refresh=["know", "learn"])
    world.run()  # writes what the stage gave once more
    after = waiting(world)
    with ExitStack() as stack:
        store = in_store(world, stack)
        bodies = {id_: body for id_, (body, _, _) in lessons(store).items()}
    assert bodies[1].endswith("about t1"), "the accepted one stays"
    new = next(id_ for id_, body in bodies.items() if "quite another thing" in body)
    assert set(after) == {"lesson:1", f"lesson:{new}", "rule:grand"}, "the new answer stands beside it"
    assert isinstance(rule := after["rule:grand"], RuleProposal)
    assert rule.stale == "changed: its teacher's answer"


def test_an_import_of_an_older_file_does_not_take_the_mark_away(world: InduceWorld) -> None:
    world.run()
    review(world)
    with ExitStack() as stack:
        exported = to_jsonl(export_rows(in_store(world, stack), ["lesson"], everything=True))
    change(world, '{"id": "t3", "a": "eve", "b": "hugo"', '{"id": "t3", "a": "ann", "b": "carl"')
    world.run()
    assert "lesson:3" in waiting(world)
    with ExitStack() as stack:
        store = in_store(world, stack)
        merged = merge(store, {"f": from_jsonl(exported, "f")}, who="ada")["f"]
        assert not merged.conflicts and merged.counts["accepted"] == 0
        assert lessons(store)[3][1] == "stale", "accepted before the change: that says nothing about it"
        again = to_jsonl(export_rows(store, ["lesson"], everything=True))
        assert '"stale"' in again
        assert not merge(store, {"f": from_jsonl(again, "f")}, who="ada")["f"].conflicts
        accepted = again.replace('"status": "stale"', '"status": "accepted"').replace('"status":"stale"', '"status":"accepted"')  # fmt: skip
        assert merge(store, {"f": from_jsonl(accepted, "f")}, who="ada")["f"].counts["accepted"] == 1
        assert lessons(store)[3][1] == "accepted"


def test_rows_that_a_limit_leaves_out_have_not_gone(world: InduceWorld) -> None:
    world.run()
    review(world)
    with ExitStack() as stack:
        ctx = world.open(stack)
        ctx.data = Datasets(ctx.spec, ctx.project, limit=2)
        run(ctx, Options())
    assert not any(getattr(one, "stale", None) for one in waiting(world).values())
