"""The stages' knowledge over real stores: in step with the source, idempotent writes, hold-out, contradictions."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nesyc.pipeline import compile_spec
from nesyc_runtime import config
from nesyc_runtime.artifact import load_build
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.review.decisions import accept, edit
from nesyc_runtime.kb.search.retrieval import Retriever
from nesyc_runtime.kb.search.retrieval_rows import read_rows
from nesyc_runtime.kb.search.words import input_key
from nesyc_runtime.kb.storage.store import Store
from nesyc_runtime.project import Project
from nesyc_runtime.stages.knowledge import StoredKnowledge
from nesyc_runtime.stages.ports import Entry, Item

SPEC = """nesy 1
enum Kin { father mother grandfather }
teacher tutor { endpoint = program("teach:teach") }
student small { base = scratch(layers = 1, width = 8, tokenizer = .characters), adapter = .full }
dataset people {
  row (question: text, label: Kin)
  split train = jsonl("train.jsonl")
}
task kinship on people {
  input  (question: text)
  output (answer: Kin)
  prompt = "{retrieved} {question}"
  parse  answer = last_match("(\\\\w+)") as Kin
  claim  kin("ann", "carl", answer)
  metric accuracy = mean(answer == label)
}
kb family {
  store = sqlite("family.db")
  relation parent(child: text, parent: text, role: Kin) { key (child, parent) }
  relation lesson(id: int, body: text) { key (id), fulltext (body), provenance required }
  derived kin(a: text, b: text, rel: Kin) { unique (a, b) resolve highest_conf }
  facts parent { ("ann", "bob", .father) }
  rule base: kin(a, b, r) :- parent(a, b, r);
  forbid own_kin: kin(a, a, _);
  say kin = "{b} is the {rel} of {a}."
}
retrieve hints for kinship from family {
  query  = question
  search = fulltext(lesson.body, kin)
}
pipeline p for kinship {
  stage cot    = sample(teacher = tutor, data = people.train)
  stage base   = finetune(student = small, data = cot)
  stage errors = mine_errors(model = base, data = people.train, against = cot)
  stage know   = extract(teacher = tutor, data = errors, into = family.lesson)
}
"""


def opened(folder: Path) -> StoredKnowledge:
    compiled = compile_spec(folder / "kin.nesy", folder / "build")
    assert compiled.spec is not None, [problem.message for problem in compiled.diagnostics]
    return StoredKnowledge(load_build(folder / "build" / "kin"), Project(folder, spec_dir=folder))


@pytest.fixture
def knowledge(tmp_path: Path) -> Iterator[StoredKnowledge]:
    (tmp_path / "kin.nesy").write_text(SPEC)
    (tmp_path / "train.jsonl").write_text('{"question": "q", "label": "father"}\n')
    (tmp_path / "teach.py").write_text("def teach(request):\n    return ''\n")
    with opened(tmp_path) as found:
        found.prepare()
        yield found


def stage(knowledge: StoredKnowledge) -> config.ExtractStage:
    stages = knowledge._build.spec.pipelines[0].stages
    return next(stage for stage in stages if isinstance(stage, config.ExtractStage))


def entry(body: str, *questions: str) -> Entry:
    inputs = tuple({"question": question} for question in questions)
    return Entry({"body": body}, tuple(f"p.errors/{q}" for q in questions), inputs, "tutor", "sha256:0")


def texts(knowledge: StoredKnowledge, question: str, *, training: bool = False) -> str | None:
    block = knowledge._build.spec.retrieves[0]
    inputs = {"question": question}
    return knowledge.retrieve(block, [Item("i", inputs, inputs)], training=training)[0].text


def lessons(knowledge: StoredKnowledge) -> list[tuple[Any, ...]]:
    return knowledge._store("family").execute('SELECT id, body, owner FROM "lesson" ORDER BY id').fetchall()


def test_facts_of_the_source_are_there_derived(knowledge: StoredKnowledge) -> None:
    assert texts(knowledge, "who is bob to ann") == "bob is the father of ann."


def test_writing_again_changes_nothing(knowledge: StoredKnowledge) -> None:
    entries = [entry("first things first", "a"), entry("second thoughts", "b")]
    assert knowledge.write(stage(knowledge), "r1", entries) == {"written": 2}
    before = lessons(knowledge)
    assert before == [(1, "first things first", "stage:p.know"), (2, "second thoughts", "stage:p.know")]
    assert knowledge.write(stage(knowledge), "r1", entries) == {"written": 2}
    assert lessons(knowledge) == before


def test_a_kept_entry_keeps_its_number_and_others_rows_stay(knowledge: StoredKnowledge) -> None:
    knowledge.write(stage(knowledge), "r1", [entry("first", "a"), entry("second", "b")])
    knowledge.write(stage(knowledge), "r2", [entry("second", "b"), entry("third", "c")])
    assert [(id_, body) for id_, body, _ in lessons(knowledge)] == [(2, "second"), (3, "third")]
    assert texts(knowledge, "bob") == "bob is the father of ann."


def test_provenance_says_where_an_entry_came_from(knowledge: StoredKnowledge) -> None:
    knowledge.write(stage(knowledge), "r1", [entry("first", "What IS it")])
    store = knowledge._store("family")
    stored = store.execute(f'SELECT provenance FROM "{store.relation("lesson").rows}"').fetchall()
    assert json.loads(stored[0][0]) == {
        "teacher": "tutor",
        "prompt": "sha256:0",
        "stage": "p.know",
        "run": "r1",
        "usd": 0.0,
        "sources": ["p.errors/What IS it"],
        "inputs": ['{"question":"what is it"}'],
    }


def test_training_items_do_not_see_their_own_entries(knowledge: StoredKnowledge) -> None:
    knowledge.write(
        stage(knowledge), "r1", [entry("clocks strike", "When do clocks strike?"), entry("clocks tick", "x")]
    )
    assert texts(knowledge, "when do  CLOCKS strike?", training=True) == "clocks tick"
    assert texts(knowledge, "when do  CLOCKS strike?") == "clocks strike"


def led_to(store: Store, body: str) -> frozenset[str]:
    """The keys of the items that an entry is of."""
    return next(row.sources for row in read_rows(store, "lesson") if row.values["body"] == body)


LONG = "to find when the clocks of a town strike count the hours that have passed since noon and add one"


@pytest.mark.parametrize("words", [LONG, LONG.replace("add one", "add, ONE!")])
@pytest.mark.parametrize("edited", [False, True])
def test_an_accepted_entry_is_of_all_items_that_led_to_it(
    knowledge: StoredKnowledge, words: str, edited: bool
) -> None:
    knowledge.write(
        stage(knowledge), "r1", [entry(LONG if not edited else "other words", "hours since noon a")]
    )
    store = knowledge._store("family")
    if edited:
        edit(store, "lesson", [1], {"body": LONG}, who="ada")
    else:
        accept(store, "lesson", [1], who="ada")
    wrote = knowledge.write(
        stage(knowledge), "r2", [entry(words, "hours since noon b"), entry("clocks tick", "x")]
    )
    assert wrote == {"written": 2}
    assert [(id_, body) for id_, body, _ in lessons(knowledge)] == [(1, LONG), (2, "clocks tick")]
    assert store.execute("SELECT status FROM lesson WHERE id = 1").fetchone() == ("accepted",)
    for question in ("hours since noon a", "hours since noon b"):
        assert texts(knowledge, question) == LONG
        assert texts(knowledge, question, training=True) == LONG, "the other item alone gives it"
    assert led_to(store, LONG) == {input_key({"question": f"hours since noon {item}"}) for item in "ab"}
    assert texts(knowledge, "hours since noon c", training=True) == LONG
    knowledge.write(stage(knowledge), "r2", [entry(words, "hours since noon b"), entry("clocks tick", "x")])
    changes = store.execute('SELECT count(*) FROM "nesyc.change"').fetchone()
    knowledge.write(stage(knowledge), "r2", [entry(words, "hours since noon b"), entry("clocks tick", "x")])
    assert store.execute('SELECT count(*) FROM "nesyc.change"').fetchone() == changes


def test_an_edited_entry_is_of_the_items_that_lead_to_its_old_words(knowledge: StoredKnowledge) -> None:
    knowledge.write(stage(knowledge), "r1", [entry("count hours", "hours a"), entry("clocks tick", "x")])
    store = knowledge._store("family")
    for words in ("count all hours", "count the full hours"):
        edit(store, "lesson", [1], {"body": words}, who="ada")
    assert texts(knowledge, "hours a", training=True) is None, "no other item gives it"
    for _ in range(2):
        wrote = knowledge.write(
            stage(knowledge), "r2", [entry("count hours", "hours b"), entry("clocks tick", "x")]
        )
        assert wrote == {"written": 1, "rejected": 1}
    assert [body for _, body, _ in lessons(knowledge)] == ["count the full hours", "clocks tick"]
    assert led_to(store, "count the full hours") == {
        input_key({"question": f"hours {item}"}) for item in "ab"
    }
    for item in "abc":
        assert texts(knowledge, f"hours {item}", training=True) == "count the full hours"


def test_own_entries_may_be_shown(knowledge: StoredKnowledge) -> None:
    knowledge.write(stage(knowledge), "r1", [entry("clocks strike", "clocks?")])
    block = knowledge._build.spec.retrieves[0].model_copy(update={"name": "open", "own_entries": True})
    found = knowledge.retrieve(block, [Item("i", {"question": "clocks?"}, {})], training=True)
    assert found[0].text == "clocks strike"


def test_entries_survive_a_new_process_and_a_changed_source(
    knowledge: StoredKnowledge, tmp_path: Path
) -> None:
    knowledge.write(stage(knowledge), "r1", [entry("clocks strike", "a")])
    spec = (tmp_path / "kin.nesy").read_text().replace('("ann", "bob", .father)', '("ann", "bea", .mother)')
    (tmp_path / "kin.nesy").write_text(spec)
    with opened(tmp_path) as again:
        again.prepare()
        assert texts(again, "clocks") == "clocks strike"
        assert texts(again, "bob") is None
        assert texts(again, "bea") == "bea is the mother of ann."


def test_claims_against_derived_facts_and_constraints(knowledge: StoredKnowledge) -> None:
    broken = knowledge.contradictions("family", [("kin", ("ann", "bob", "mother"))])
    assert [(one.claim, one.by) for one in broken] == [("kin(ann, bob, mother)", "kin")]
    broken = knowledge.contradictions("family", [("kin", ("zoe", "zoe", "mother"))])
    assert [one.by for one in broken] == ["own_kin"]
    assert knowledge.contradictions("family", [("kin", ("ann", "bob", "father"))]) == []
    assert knowledge.contradictions("family", [("kin", ("ann", "dora", "mother"))]) == []
    assert texts(knowledge, "dora") is None, "a claim leaves nothing behind"
    assert knowledge._store("family").find_symbol("zoe") is None


def test_facts_that_break_a_constraint_stop_the_run(knowledge: StoredKnowledge, tmp_path: Path) -> None:
    spec = (tmp_path / "kin.nesy").read_text().replace('"bob", .father', '"ann", .father')
    (tmp_path / "kin.nesy").write_text(spec)
    with (
        opened(tmp_path) as again,
        pytest.raises(UserError, match=r"kin.nesy:\d+: E0504.*own_kin.*kin\(ann, ann"),
    ):
        again.prepare()


@pytest.mark.parametrize("store", ["../family.db", "/family.db", "a/../../b.db"])
def test_a_store_outside_the_project_is_refused(tmp_path: Path, store: str) -> None:
    from nesyc_runtime.kb.open import store_file

    kb = config.Kb.model_construct(name="family", store=store)
    with pytest.raises(UserError, match="E0206"):
        store_file(Project(tmp_path, spec_dir=tmp_path), kb)


def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The questions that were searched for, not remembered."""
    asked: list[str] = []
    search = Retriever.retrieve_many

    def noted(self: Retriever, questions: Sequence[str], exclude: Any = None) -> Any:
        asked.extend(questions)
        return search(self, questions, exclude)

    monkeypatch.setattr(Retriever, "retrieve_many", noted)
    return asked


def test_the_same_question_is_searched_for_once(
    knowledge: StoredKnowledge, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = searches(monkeypatch)
    question = "who is bob to ann"
    first = texts(knowledge, question)
    knowledge.close()
    assert texts(knowledge, question) == first and asked == [question], "another process remembers too"
    texts(knowledge, question, training=True)
    assert asked == [question] * 2, "what is held out is part of the key"
    knowledge.write(stage(knowledge), "r1", [entry("bob to ann bob", "a")])
    texts(knowledge, question)
    assert asked == [question] * 3, "another state of the knowledge"
    block = knowledge._build.spec.retrieves[0]
    items = [Item("i", {"question": question}, {"question": question})]
    two = knowledge.retrieve(block.model_copy(update={"take": 2}), items, training=False)[0]
    assert len(two.hits) == 2 and len(asked) == 4, "another setting"


@pytest.mark.parametrize("damage", [b"no database", None])
def test_a_cache_that_cannot_be_used_costs_a_search_only(
    knowledge: StoredKnowledge, tmp_path: Path, damage: bytes | None
) -> None:
    first = texts(knowledge, "bob")
    knowledge.close()
    file = tmp_path / ".nesy" / "retrieved.db"
    if damage is not None:
        for kept in (tmp_path / ".nesy").glob("retrieved.db-*"):
            kept.unlink()
        file.write_bytes(damage)
    else:
        with closing(sqlite3.connect(file)) as other, other:
            other.execute("UPDATE retrieved SET value = '[1]'")
    assert texts(knowledge, "bob") == first
