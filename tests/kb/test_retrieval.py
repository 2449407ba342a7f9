"""Retrieval: full text, sentences, filters, merging, budgets, hold-out, and staying in step with the rows."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.search.retrieval import Retriever, approximate_tokens
from nesyc_runtime.kb.search.words import input_key, normal_text, query_words, words
from nesyc_runtime.kb.storage.entries import write_entries
from nesyc_runtime.kb.storage.store import Store, open_store
from tests.kb.samples import INT, TEXT, atom, kb, relation, rule, var

PLACE = config.Location(file="kb.nesy", line=1, col=1, end_line=1, end_col=2)
LESSON = [
    {"id": 1, "title": "Clocks", "body": "A clock strikes twelve at noon."},
    {"id": 2, "title": "Ships", "body": "A ship sails on water; water carries it."},
    {"id": 3, "title": "Trains", "body": "A train runs on rails, never on water."},
]


def declared() -> Any:
    relations = [
        relation(
            "lesson", ("id", INT), ("title", TEXT), ("body", TEXT), key=("id",), fulltext=("title", "body")
        ),
        relation("weighs", ("unit", TEXT), ("grams", INT), key=("unit",)),
        relation("size", ("unit", TEXT), ("grams", INT), derived=True, say="a {unit} is {grams} grams"),
    ]
    sized = rule("sized", atom("size", var("u"), var("g", INT)), atom("weighs", var("u"), var("g", INT)))
    return kb(relations, [], [sized], [["size"]])


@pytest.fixture
def store() -> Iterator[Store]:
    compiled = declared()
    with open_store(
        None, config.Kb.model_validate(encode(compiled)), emit_program(compiled).to_json()
    ) as opened:
        put(opened, "lesson", LESSON)
        put(opened, "weighs", [{"unit": "zorp", "grams": 4}, {"unit": "brank", "grams": 9}])
        yield opened


@cache
def compiled_kb() -> tuple[config.Kb, Any]:
    compiled = declared()
    return config.Kb.model_validate(encode(compiled)), emit_program(compiled).to_json()


def put(store: Store, name: str, rows: Sequence[dict[str, Any]], **more: Any) -> None:
    write_entries(store, name, rows, owner=more.pop("owner", "person"), **more)
    evaluate(store)


def block(*targets: Any, **more: Any) -> config.Retrieve:
    search = config.Search(
        targets=targets or (text("lesson", "body"),),
        merge="weights" if "weights" in more else "reciprocal_rank",
        weights=more.pop("weights", ()),
    )
    query = config.ColumnRef(scope="input", name="q")
    values: dict[str, Any] = {
        "where": None,
        "gate": None,
        "take": 3,
        "budget": None,
        "cite": False,
        "own_entries": False,
    }
    values |= {"name": "hints", "task": "t", "kb": "k", "query": query, "search": search, "location": PLACE}
    return config.Retrieve(**{**values, **more})


def text(relation_: str, column: str | None = None) -> config.FullTextTarget:
    return config.FullTextTarget(relation=relation_, column=column)


def keys(
    store: Store, question: str, *targets: Any, exclude: Sequence[str] = (), **more: Any
) -> list[list[Any]]:
    found = Retriever(store, block(*targets, **more)).retrieve_many([question], [exclude])[0]
    return [hit["key"] for hit in found.hits]


def test_the_rarer_word_ranks_first(store: Store) -> None:
    assert keys(store, "Does water run on rails?") == [[3], [2]]
    assert keys(store, "When does the clock strike noon?") == [[1]]
    assert keys(store, "an elephant") == []


def test_nothing_found_is_no_text(store: Store) -> None:
    assert Retriever(store, block()).retrieve_many(["elephant"])[0].text is None


def searched(texts: Sequence[str]) -> Any:
    """A function from a question to (place, score) over `texts`, all of them, best first."""
    opened = open_store(None, *compiled_kb())
    put(opened, "lesson", [{"id": n, "title": "", "body": text} for n, text in enumerate(texts)])
    retriever = Retriever(opened, block(take=len(texts)))

    def search(question: str) -> list[tuple[int, float]]:
        hits = retriever.retrieve_many([question])[0].hits
        return [(hit["key"][0], hit["score"]) for hit in hits]

    return search


@given(st.text(max_size=60))
@settings(deadline=None, max_examples=12)  # a store for each
def test_no_question_is_syntax(question: str) -> None:
    found = searched(["one two", "two three", "NEAR AND OR NOT"])(question)
    assert all(score > 0 for _, score in found)


@pytest.mark.parametrize(
    "question", ['"', "water*", "NEAR(water rails)", "body:water", "-water", "^water", "wa\x00ter"]
)
def test_operators_are_plain_words(store: Store, question: str) -> None:
    Retriever(store, block()).retrieve_many([question])


def test_words_fold_case_and_accents() -> None:
    assert words("Zörp's ZÖRPS, 3.5!") == ["zorp", "s", "zorps", "3", "5"]
    assert query_words("How is it?") == ["how", "is", "it"]
    assert query_words("How is the zorp?") == ["zorp"]


def test_very_frequent_words_are_left_out_where_there_are_others() -> None:
    search = searched([f"unit number{i}" for i in range(50)])
    assert [place for place, _ in search("unit number7")] == [7]
    assert search("unit unheard") == []
    assert len(search("unit")) == 50


def test_derived_sentences_are_found_and_are_facts(store: Store) -> None:
    found = Retriever(store, block(text("lesson", "body"), text("size"))).retrieve_many(
        ["how heavy is a zorp"]
    )[0]
    assert found.text == "a zorp is 4 grams"
    assert found.facts == ({"relation": "size", "args": ["zorp", 4], "text": "a zorp is 4 grams"},)
    assert found.hits[0]["relation"] == "size" and found.hits[0]["key"] == ["zorp", 4]


def test_a_changed_row_is_found_at_once(store: Store) -> None:
    retriever = Retriever(store, block(text("size")))
    assert retriever.retrieve_many(["zorp"])[0].text == "a zorp is 4 grams"
    put(store, "weighs", [{"unit": "glorn", "grams": 7}])
    assert retriever.retrieve_many(["glorn"])[0].text == "a glorn is 7 grams"


def integrity(store: Store) -> None:
    """Every full-text index holds the words of its texts: raises where one does not."""
    tables = "SELECT name FROM sqlite_master WHERE sql LIKE '%USING fts5%'"
    for (name,) in store.connection.execute(tables).fetchall():
        store.connection.execute(f'INSERT INTO "{name}" ("{name}", rank) VALUES (\'integrity-check\', 1)')


def test_the_index_lies_in_the_file_and_follows_whoever_writes(tmp_path: Path) -> None:
    model, program = compiled_kb()
    both = block(text("lesson", "body"), text("size"), take=9)
    with open_store(tmp_path / "k.db", model, program) as first:
        put(first, "lesson", LESSON)
        put(first, "weighs", [{"unit": "zorp", "grams": 4}, {"unit": "brank", "grams": 9}])
        Retriever(first, both).retrieve_many(["zorp"])
    with open_store(tmp_path / "k.db", model, program) as again:
        retriever, before = Retriever(again, both), again.stamp
        assert retriever.retrieve_many(["zorp"])[0].hits[0]["key"] == ["zorp", 4]
        assert again.stamp == before, "nothing is written where nothing changed"
        with closing(sqlite3.connect(tmp_path / "k.db")) as other, other:
            other.execute("UPDATE \"lesson.rows\" SET body = 'a zeppelin flies' WHERE id = 1")
        assert retriever.retrieve_many(["clock"])[0].hits == ()
        assert retriever.retrieve_many(["zeppelin"])[0].hits[0]["key"] == [1]
        integrity(again)


@given(st.lists(st.sets(st.sampled_from("abcdef")), max_size=5))
@settings(deadline=None, max_examples=12)  # a store for each
def test_what_relations_say_is_kept_in_step(states: list[set[str]]) -> None:
    model, program = compiled_kb()
    with open_store(None, model, program) as store:
        retriever = Retriever(store, block(text("size"), take=9))
        for state in states:
            rows = [{"unit": f"zorp{name}", "grams": 4} for name in sorted(state)]
            put(store, "weighs", rows, owner="stage:s", replace=True)
            found = retriever.retrieve_many([" ".join(f"zorp{name}" for name in "abcdef")])[0]
            assert sorted(hit["key"][0] for hit in found.hits) == [row["unit"] for row in rows]
            integrity(store)


def test_words_are_found_in_any_case_of_any_script() -> None:
    search = searched(["Die Straße ist lang.", "A STRASSE is a street.", "Zo\u0308rp und Zörp", "ПРИВЕТ мир"])
    assert [place for place, _ in search("straße")] == [0, 1]
    assert [place for place, _ in search("ZORP")] == [2]
    assert [place for place, _ in search("привет")] == [3]


def test_frequent_words_rank_what_rarer_ones_found() -> None:
    """Of a question's words only the rare ones are looked up; all of them decide the order."""
    texts = [f"common filler{n}" for n in range(40)]
    search = searched([*texts, "rare other thing", "rare common thing"])
    assert [place for place, _ in search("common rare")] == [41, 40]


def test_ties_go_by_key(store: Store) -> None:
    put(
        store,
        "lesson",
        [{"id": 9, "title": "x", "body": "equal words"}, {"id": 5, "title": "y", "body": "words equal"}],
    )
    put(store, "lesson", [{"id": 4, "title": "z", "body": "equal but much longer text than two others have"}])
    assert keys(store, "equal words") == [[5], [9], [4]]


def test_equal_texts_stand_once(store: Store) -> None:
    put(store, "lesson", [{"id": 9, "title": "x", "body": "same"}, {"id": 8, "title": "y", "body": "same"}])
    assert keys(store, "same") == [[8]]


def test_diversity_prefers_what_says_something_else(store: Store) -> None:
    rows = {
        11: "zebra stripes are black and white",
        12: "zebra stripes are black and white indeed",
        13: "a zebra eats grass on the plains of the south, far from any stable",
    }
    put(store, "lesson", [{"id": id_, "title": "t", "body": body} for id_, body in rows.items()])
    assert keys(store, "zebra stripes", take=2) == [[11], [12]]
    assert keys(store, "zebra stripes", take=2, diversity=0.8) == [[11], [13]]
    assert keys(store, "zebra stripes", take=3, diversity=0.8) == [[11], [13], [12]]
    assert keys(store, "zebra stripes", take=3, diversity=0.0) == [[11], [12], [13]]


@given(st.lists(st.text(alphabet="abc ", min_size=1), max_size=6), st.floats(0, 1))
@settings(deadline=None, max_examples=12)  # a store for each
def test_diversity_loses_and_invents_nothing(texts: list[str], share: float) -> None:
    with open_store(None, *compiled_kb()) as store:
        put(store, "lesson", [{"id": n, "title": "", "body": f"zorp {text}"} for n, text in enumerate(texts)])
        plain = keys(store, "zorp", take=9)
        diverse = keys(store, "zorp", take=9, diversity=share)
        assert sorted(diverse) == sorted(plain) and diverse[:1] == plain[:1]


def test_a_row_found_by_two_columns_is_one_hit(store: Store) -> None:
    both = (text("lesson", "title"), text("lesson", "body"))
    assert keys(store, "clocks clock", *both) == [[1]]
    assert keys(store, "clocks clock", *both, weights=(0.5, 0.5)) == [[1]]


def test_take_cite_and_budget(store: Store) -> None:
    one = Retriever(store, block(take=1, cite=True)).retrieve_many(["water"])[0]
    assert one.text == "[lesson 2] A ship sails on water; water carries it."
    dear = Retriever(store, block(budget=5), count_tokens=lambda line: 9 if "ship" in line else 5)
    assert [hit["key"] for hit in dear.retrieve_many(["water"])[0].hits] == [[3]], (
        "the next one that fits stands"
    )
    assert approximate_tokens("12345") == 2
    assert keys(store, "water", budget=1) == []
    counted = Retriever(store, block(budget=2), count_tokens=lambda _: 1).retrieve_many(["water"])[0]
    assert len(counted.hits) == 2


def where(name: str, operator: str, value: Any) -> config.Operation:
    kind = config.Type(base="text") if isinstance(value, str) else config.Type(base="number")
    constant = config.Const(value=value, type=kind)
    return config.Operation(operator=operator, arguments=(config.ColumnRef(scope="hit", name=name), constant))


def test_filters_see_columns_and_implicit_columns(store: Store) -> None:
    put(
        store,
        "lesson",
        [{"id": 4, "title": "Boats", "body": "water"}],
        owner="stage:p.s",
        provenance={"inputs": []},
        conf=0.5,
    )
    assert [4] in keys(store, "water")
    assert [4] not in keys(store, "water", where=where("conf", ">=", 0.6))
    assert keys(store, "water", where=where("title", "==", "Boats")) == [[4]]
    assert keys(store, "water", where=where("owner", "==", "stage:p.s")) == [[4]]
    assert keys(store, "zorp", text("size"), where=where("status", "!=", "rejected")) == [["zorp", 4]]


def test_own_entries_are_held_out_by_normal_input(store: Store) -> None:
    source = {"inputs": [input_key({"q": "What  floats\non Water?"})]}
    put(
        store,
        "lesson",
        [{"id": 7, "title": "t", "body": "water floats"}],
        owner="stage:p.s",
        provenance=source,
    )
    assert keys(store, "floats") == [[7]]
    assert keys(store, "floats", exclude=[input_key({"q": " what floats on water? "})]) == []
    assert keys(store, "floats", exclude=[input_key({"q": "what floats in water?"})]) == [[7]]


@pytest.mark.parametrize("owners", [("stage:a", "stage:b"), ("stage:a", "stage:a")])
def test_a_row_is_shown_to_an_item_where_another_gives_it_too(store: Store, owners: tuple[str, str]) -> None:
    sources = [input_key({"q": question}) for question in ("one", "two")]
    row = [{"id": 7, "title": "t", "body": "water floats"}]
    if owners[0] == owners[1]:
        put(store, "lesson", row, owner=owners[0], provenance={"inputs": sources})
    else:
        for owner, source in zip(owners, sources, strict=True):
            put(store, "lesson", row, owner=owner, provenance={"inputs": [source]})
    for source in sources:
        assert keys(store, "floats", exclude=[source]) == [[7]]
    assert keys(store, "floats", exclude=sources) == []


@given(st.text(max_size=30))
def test_normal_text_is_normal(value: str) -> None:
    assert normal_text(normal_text(value)) == normal_text(value)
    assert normal_text(f"  {value}\n") == normal_text(value)


def test_weights_stretch_scores_and_reciprocal_ranks_add_up(store: Store) -> None:
    targets = (text("lesson", "title"), text("lesson", "body"))
    found = Retriever(store, block(*targets, weights=(0.9, 0.1))).retrieve_many(["trains ship sails"])[0]
    assert [(hit["key"], hit["score"]) for hit in found.hits] == [([3], 0.9), ([2], 0.1)]
    found = Retriever(store, block(*targets, weights=(0.1, 0.9))).retrieve_many(["trains ship sails"])[0]
    assert [hit["key"] for hit in found.hits] == [[2], [3]]


class Toy:
    """Toy vectors: how often `water` and another word stand in a text; `made` are the texts it was given."""

    def __init__(self, other: str = "clock") -> None:
        self.other = self.identity = other
        self.made: list[str] = []

    def __call__(self, texts: Sequence[str], *, question: bool = False) -> Any:
        self.made += texts
        return np.array(
            [[t.lower().count(w) for w in ("water", self.other)] for t in texts], dtype=np.float32
        )


def toy(name: str) -> Toy:
    assert name == "mini"
    return Toy()


@pytest.fixture
def vectors() -> Iterator[Store]:
    """Lessons with vectors that are computed from their bodies, none of them stored yet."""
    plain = relation("lesson", ("id", INT), ("body", TEXT), key=("id",), fulltext=("body",))
    vec = nodes.KbColumn("vec", nodes.Type("vector", size=2), embed=("mini", "body"))
    compiled = kb([replace(plain, columns=(*plain.columns, vec))], [], [], [])
    model = config.Kb.model_validate(encode(compiled))
    with open_store(None, model, emit_program(compiled).to_json()) as opened:
        put(opened, "lesson", [{"id": row["id"], "body": row["body"]} for row in LESSON])
        yield opened


NEAREST = config.NearestTarget(relation="lesson", column="vec")


def test_nearest_is_cosine_over_vectors(vectors: Store) -> None:
    retriever = Retriever(vectors, block(NEAREST, take=2), embedder=toy)
    found = retriever.retrieve_many(["the clock", "much water"])
    assert [(one.hits[0]["key"], one.hits[0]["score"]) for one in found] == [([1], 1.0), ([2], 1.0)]


def test_hybrid_needs_an_embedder(vectors: Store) -> None:
    both = block(text("lesson", "body"), NEAREST, weights=(0.4, 0.6))
    with pytest.raises(UserError, match="no embedder is available"):
        Retriever(vectors, both).retrieve_many(["water"])
    found = Retriever(vectors, both, embedder=toy).retrieve_many(["rails in the water"])[0]
    assert found.hits[0]["key"] == [3] and found.hits[0]["score"] == 1.0


def test_the_result_is_json(store: Store) -> None:
    found = Retriever(store, block(text("size"))).retrieve_many(["brank"])[0]
    assert json.loads(json.dumps([found.hits, found.facts])) == [list(found.hits), list(found.facts)]


TEXTS = st.lists(st.text(alphabet="abc ", max_size=12), min_size=1, max_size=12)


@given(TEXTS, st.text(alphabet="abc ", max_size=8))
@settings(deadline=None, max_examples=25)  # a store for each
def test_scores_are_bm25(texts: list[str], question: str) -> None:
    """Found by the words that tell something, compared by all; equal texts stand once, and `a` is a stop word."""
    texts = list(dict.fromkeys(text for text in texts if text.split()))
    split = [value.split() for value in texts]
    asked = list(dict.fromkeys(question.split()))
    telling = [word for word in asked if word != "a"] or asked
    mean = sum(map(len, split)) / max(1, len(split))
    wanted = {}
    for place, document in enumerate(split):
        score = 0.0
        for word in asked:
            n, times = sum(word in other for other in split), document.count(word)
            rarity = math.log(1 + (len(split) - n + 0.5) / (n + 0.5))
            score += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * len(document) / mean))
        if set(telling) & set(document):
            wanted[place] = pytest.approx(score, abs=1e-6)
    found = searched(texts)(question) if texts else []
    once = {texts[place].strip(): score for place, score in found}
    assert {texts[place].strip() for place in wanted} == set(once)
    assert dict(found) == {place: wanted[place] for place, _ in found}
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


def test_far_down_hits_come_in_order_too() -> None:
    search = searched(
        [f"word {'x ' * (i % 400)}{i}" for i in range(800)] + [f"other {i}" for i in range(900)]
    )
    scores = [score for _, score in search("word")]
    assert len(scores) == 800 and scores == sorted(scores, reverse=True)


def hit(name: str) -> config.ColumnRef:
    return config.ColumnRef(scope="hit", name=name)


def holds(name: str, *arguments: Any) -> config.Holds:
    return config.Holds(relation=name, arguments=arguments)


def test_a_filter_tests_derived_relations_and_follows_their_facts(store: Store) -> None:
    """`where = size(unit, _)`: rules decide what applies, at once when a fact changes."""
    unit, heavy = hit("unit"), config.Const(value=9, type=config.Type(base="int"))
    weighed = block(text("size"), where=holds("size", unit, None))
    nine = block(text("size"), where=holds("weighs", unit, heavy))
    assert Retriever(store, weighed).retrieve_many(["zorp"])[0].hits[0]["key"] == ["zorp", 4]
    retriever = Retriever(store, nine)
    assert retriever.retrieve_many(["zorp"])[0].hits == ()
    assert retriever.retrieve_many(["brank"])[0].hits[0]["key"] == ["brank", 9]
    put(store, "weighs", [{"unit": "glorn", "grams": 9}])
    assert retriever.retrieve_many(["glorn"])[0].hits[0]["key"] == ["glorn", 9]


def test_a_filter_may_ask_what_the_question_says(store: Store) -> None:
    """`mentions(query, title)`: an entry stands only where the question speaks of what it is about."""
    query = config.ColumnRef(scope="question", name="query")
    spoken_of = config.Operation(operator="mentions", arguments=(query, hit("title")))
    asked = ["ships on water", "TRAINS on water", "water ships", "shipsail on water"]
    for where, expected in ((None, [[[2], [3]]] * 4), (spoken_of, [[[2]], [[3]], [[2]], []])):
        found = Retriever(store, block(where=where)).retrieve_many(asked)
        assert [[one["key"] for one in each.hits] for each in found] == expected


def test_null_is_in_no_relation(store: Store) -> None:
    missing = config.Const(value=None, type=config.Type(base="text", nullable=True))
    negated = config.Operation(operator="not", arguments=(holds("weighs", missing, None),))
    for where in (holds("weighs", missing, None), negated):
        assert Retriever(store, block(text("size"), where=where)).retrieve_many(["zorp"])[0].hits == ()
    known = config.Operation(operator="known", arguments=(missing,))
    assert Retriever(store, block(text("size"), where=known)).retrieve_many(["zorp"])[0].hits == ()
