"""What is proposed at a cursor: by the grammar where a keyword can stand, by the tables where a name can."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.checks.signatures import TRAINING_TASKS
from nesyc.checks.tables import Tables
from nesyc.pipeline import check_spec
from nesyc.server.complete import complete, signature_help
from tests.server.client import Editor, editor

KINSHIP = Path(__file__).resolve().parent.parent / "samples" / "kinship" / "kinship.nesy"
TEXT = KINSHIP.read_text(encoding="utf-8").replace("|", "/")  # `|` is the cursor
TABLES = check_spec(KINSHIP).tables
RELATIONS = ["compose", "kin", "lesson", "only_child", "parent", "person", "sibling", "sibling_count"]
KIN = [f".{one}" for one in
       "aunt brother daughter father grandfather grandmother mother sister son uncle".split()]  # fmt: skip


TASKS = sorted(f".{one}" for one in TRAINING_TASKS)


def proposed(text: str, tables: Tables = TABLES) -> list[str]:
    """The labels at `|`, the likeliest first, with the word typed so far left to the editor."""
    offset = text.index("|")
    _, found = complete(text.replace("|", "", 1), offset, tables, KINSHIP.parent)
    return [one.label for one in found]


def typed(before: str, new: str) -> list[str]:
    """What is proposed after `new`, written into the sample right after `before`, what follows on a new line."""
    assert TEXT.count(before) == 1, before
    return proposed(TEXT.replace(before, f"{before}{new}|\n", 1))


IN_KB = "index (parent)\n  }\n"
AFTER = 'expect sibling_count("ann", 1);\n'


@pytest.mark.parametrize(
    ("before", "new", "first"),
    [
        # rules: relations with arguments, variables by type, constants by the column
        ("a != b;\n", "rule x: ", ["kin", "only_child", "sibling", "sibling_count"]),
        ("a != b;\n", "rule x: only_child(a) :- ", [*RELATIONS, "a", "not", "or"]),
        ("a != b;\n", "rule x: only_child(a) :- person(a), ", [*RELATIONS, "a", "not", "or"]),
        ("a != b;\n", "rule x: only_child(a) :- not ", [*RELATIONS, "a"]),
        ("a != b;\n", "rule x: only_child(a) :- parent(a, b, ", [*KIN, "role", "a", "b", "_"]),
        ("a != b;\n", "rule x: only_child(a) :- parent(a, b, .", KIN),
        ("a != b;\n", "rule x: only_child(a) :- kin(a, b, r), parent(", ["a", "b", "child", "r", "_"]),
        ("a != b;\n", "rule x: only_child(a) :- kin(a, b, r), r == .", KIN),
        ("a != b;\n", "rule x: sibling_count(a, n) :- person(a), n = count(b: ", RELATIONS),
        ("a != b;\n", "forbid x: ", RELATIONS),
        ("a != b;\n", "@", ["learned", "note", "source", "status"]),
        ("a != b;\n", "@status(", ["accepted", "proposed", "rejected", "stale"]),
        ("a != b;\n", "@learned(by = ", ["big"]),
        # the schema
        (IN_KB, "relation r(a: ", ["Kin", "bool", "date", "int", "json", "number", "text", "usd", "vector"]),
        (IN_KB, "relation r(a: text -> ", RELATIONS),
        (IN_KB, "relation r(a: text, b: int) { key (", ["a", "b"]),
        (IN_KB, "relation r(a: text, b: int) { unique (a) resolve ", ["highest_conf"]),
        (IN_KB, "relation r(v: vector(3)) { nearest (v, ", ["cosine", "dot", "l2"]),
        (IN_KB, "relation r(a: text) { ", ["fulltext", "index", "key", "nearest", "provenance", "unique"]),
        (IN_KB, "facts ", ["compose", "lesson", "parent", "person"]),
        (IN_KB, "facts parent { (\"a\", \"b\", ", KIN),
        (IN_KB, "facts parent { (\"a\", \"b\", .", KIN),
        (IN_KB, "facts person from ", ["csv", "jsonl", "parquet", "sqlite", "triples", "wikidata"]),
        (IN_KB, "say ", ["compose", "lesson", "only_child", "parent", "person", "sibling", "sibling_count"]),
        (IN_KB, "allow(", ["W0401", "W0402", "W0403", "W0404", "W0405"]),
        # settings and calls by the signature tables
        ("keep = .correct)\n", "  stage x = ",
         ["extract", "finetune", "induce", "mine_errors", "sample", "validate"]),
        ("keep = .correct)\n", "  stage x = sample(teacher = ", ["big"]),
        ("keep = .correct)\n", "  stage x = sample(", ["data", "keep", "limit", "n", "review", "teacher", "temperature"]),
        ("keep = .correct)\n", "  stage x = sample(teacher = big, keep = ", [".all", ".correct", ".majority"]),
        ("keep = .correct)\n", "  stage x = sample(teacher = big, data = clutrr.", ["dev", "test", "train"]),
        ("keep = .correct)\n", "  stage x = finetune(student = small, data = cot + ", ["cot", "errors"]),
        ("keep = .correct)\n", "  stage x = finetune(tasks = [.",
         TASKS),
        ("keep = .correct)\n", "  stage x = finetune(loss = ", ["cross_entropy", "jsd", "kl", "reverse_kl", "tvd"]),
        ("keep = .correct)\n", "  stage x = extract(teacher = big, into = family.", RELATIONS),
        ("adapter    = lora(rank = 32, alpha = 64, targets = .all_linear)\n", "  template = ", [".auto", ".chat", ".plain"]),
        ("adapter    = lora(rank = 32, alpha = 64, targets = .all_linear)\n", "  ", ["max_new_tokens", "max_tokens", "options", "template"]),
        ("reject   = contradicts(family)              # its claim breaks a `forbid`, or a derived fact under `unique`\n",
         "  format = .", TASKS),
        # tasks, retrieval, evaluation, tests
        ("metric by_hops  = mean(answer == label) group hops\n", "  metric m = mean(answer == .", KIN),
        ("metric by_hops  = mean(answer == label) group hops\n", "  metric m = ", ["max", "mean", "min", "sum"]),
        ("metric by_hops  = mean(answer == label) group hops\n", "  prompt .",
         TASKS),
        ("metric by_hops  = mean(answer == label) group hops\n", "  parse ", ["answer", "reasoning"]),
        ("cite   = true\n", "  where = status != .", [".accepted", ".proposed", ".rejected", ".stale"]),
        ("cite   = true\n", "  search = fulltext(", ["lesson.body", "lesson.title", "kin"]),
        ("cite   = true\n", "  search = fulltext(lesson.", ["body", "id", "title", "trigger", "vec"]),
        ("require cost_usd <= budget\n", "  compare ", ["base", "final", "small"]),
        ("require cost_usd <= budget\n", "  require distil.base.", ["accuracy", "by_hops"]),
        (AFTER, "  expect ", [*RELATIONS, "error", "not", "parse", "prompt"]),
        (AFTER, "  expect error E040", None),
        (AFTER, "  expect kin(\"ann\", \"carl\", .", KIN),
        (AFTER, "  expect kin(\"ann\", \"carl\", _) by ", ["aunt_7", "kin_base", "kin_chain", "no_sib", "sib", "sib_n", "uncle_1"]),
        ("expect parse(\"so she is his aunt. Answer: aunt\") == .aunt;\n", "  expect parse(\"x\") == .", KIN),
        # heads
        ("# language edition\n", "\ntask t on ", ["clutrr"]),
        ("# language edition\n", "\npipeline p for ", ["kinship"]),
        ("# language edition\n", "\nretrieve r for kinship from ", ["family"]),
        ("# language edition\n", "\nanswer kinship with ", ["distil.base", "distil.final", "small"]),
        ("# language edition\n", "\nevaluate e of small on ", ["clutrr.dev", "clutrr.test", "clutrr.train"]),
        ("# language edition\n", "\ntest \"x\" for ", ["family", "kinship"]),
        ("# language edition\n", "\nparam p: Kin = .", KIN),
        ("# language edition\n", "\nparam p: ", ["Kin", "bool", "date", "int", "json", "number", "text", "usd", "vector"]),
    ],
)  # fmt: skip
def test_what_can_stand_comes_first(before: str, new: str, first: list[str] | None) -> None:
    found = typed(before, new)
    if first is None:
        assert {"E0401", "E0402"} <= set(found)
    else:
        assert found[: len(first)] == first, found


def test_a_filter_may_ask_what_the_question_says() -> None:
    found = typed("cite   = true\n", "  where = ")
    assert {"query", "mentions", "status", "trigger"} <= set(found)


@pytest.mark.parametrize(
    ("before", "new", "some"),
    [
        ("# language edition\n", "\n", {"kb", "task", "teacher", "include", "allow", "test"}),
        (IN_KB, "  ", {"rule", "forbid", "relation", "derived", "facts", "say", "engine"}),
        ("keep = .correct)\n", "  ", {"stage"}),
        (
            "metric by_hops  = mean(answer == label) group hops\n",
            "  ",
            {"metric", "parse", "claim", "prompt"},
        ),
        ("require cost_usd <= budget\n", "  ", {"report", "compare", "require", "limit"}),
        (AFTER, "  ", {"expect", "given"}),
    ],
)
def test_keywords_of_each_block(before: str, new: str, some: set[str]) -> None:
    found = set(typed(before, new))
    assert some <= found
    assert not found & {"clutrr", "father", "true", "null"}


def test_a_setting_is_proposed_once() -> None:
    assert "semantics" not in typed(IN_KB, "  ")


def test_holes_and_paths_in_strings() -> None:
    assert proposed(TEXT.replace("Story: {story}", "Story: {|")) == ["story", "a", "b", "retrieved"]
    assert proposed(TEXT.replace("is the {rel}", "is the {|")) == ["a", "b", "rel"]
    assert "rules/learned.nesy" in proposed(TEXT.replace("rules/learned.nesy", "rules/|", 1))
    assert "rules/" in proposed(TEXT.replace("rules/learned.nesy", "|", 1))
    assert proposed(TEXT.replace("rules/learned.nesy", "../|", 1)) == []
    assert proposed(TEXT.replace("Story: {story}", "Story: |")) == []


def test_nothing_in_comments() -> None:
    assert proposed(TEXT.replace("# language edition", "# language |edition")) == []


def test_in_a_fragment() -> None:
    text = "nesy 1\nfragment of family\nrule x: only_child(a) :- |"
    assert proposed(text)[: len(RELATIONS)] == RELATIONS
    assert "relation" in proposed("nesy 1\nfragment of family\n|")
    assert proposed("nesy 1\nfragment of |") == ["family"]


def test_methods_are_proposed_with_their_parameters(tmp_path: Path) -> None:
    spec = tmp_path / "a.nesy"
    spec.write_text(
        'nesy 1\ninclude "@nesyc/methods/std_cot.nesy"\nteacher big { }\npipeline p for t = ', "utf-8"
    )
    text = spec.read_text("utf-8")
    tables = check_spec(spec).tables
    assert "std_cot" in proposed(f"{text}|", tables)
    assert "teacher" in proposed(f"{text}std_cot(|", tables)
    assert proposed(f"{text}std_cot(teacher = |", tables)[:1] == ["big"]


def test_a_long_declaration_is_not_read_whole() -> None:
    rules = "".join(
        f"  rule r{number}: only_child(a) :- person(a), not sibling(a, _);\n" for number in range(2000)
    )
    text = TEXT.replace("a != b;\n", f"a != b;\n{rules}  rule x: only_child(a) :- parent(a, b, .|\n", 1)
    assert proposed(text) == KIN


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_cut_of_any_text_is_answered(data: st.DataObject) -> None:
    pieces = ["kb k {", "}", "(", ")", "[", '"', '"""', "rule", "x", ".", ",", "=", ":-", "{", "@", "#", "\n", "nesy 1",
              "fragment of", "facts", "\\", "é😀", "stage", "finetune(", "data = ", "include ", ";"]  # fmt: skip
    if data.draw(st.booleans()):
        text = " ".join(data.draw(st.lists(st.sampled_from(pieces), max_size=30)))
    else:
        start = data.draw(st.integers(0, len(TEXT)))
        text = (
            TEXT[:start]
            + data.draw(st.sampled_from(pieces))
            + TEXT[data.draw(st.integers(start, len(TEXT))) :]
        )
    offset = data.draw(st.integers(0, len(text)))
    complete(text, offset, TABLES, KINSHIP.parent)
    signature_help(text, offset, TABLES)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("plain")
    text = (
        "nesy 1\nkb k {\n  relation p(a: text, b: int)\n  derived q(a: text)\n  rule r: q(a) :- p(a, _);\n}\n"
    )
    (folder / "a.nesy").write_text(text, encoding="utf-8")
    return folder, text


def insert(one: Editor, name: str, around: str, label: str) -> str:
    """The text after a proposal is taken."""
    item = one.completion(name, around)[label]
    return one.apply(name, [item.text_edit])


def test_through_the_server_with_snippets(plain: tuple[Path, str]) -> None:
    folder, _ = plain
    with editor(folder) as one:
        name = one.open(folder / "a.nesy")
        one.problems(name)
        one.replace(name, ":- p(a, _);", ":- 😀 p")
        assert "q(a) :- 😀 p(${1:a}, ${2:b})" in insert(one, name, ":- 😀 p|", "p")


def test_through_the_server_without_snippets(plain: tuple[Path, str]) -> None:
    folder, _ = plain
    with editor(folder, snippets=False) as one:
        name = one.open(folder / "a.nesy")
        one.problems(name)
        one.replace(name, ":- p(a, _);", ":- ")
        assert "q(a) :- p\n" in insert(one, name, "q(a) :- |", "p")
