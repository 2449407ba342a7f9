"""`nesyc test` and `nesyc retrieve`, from the command line: contracts, exit codes, and failures that are found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app

SPEC = """nesy 1
enum Kin { father mother grandfather }
dataset people {
  row (question: text, label: Kin)
  split train = jsonl("train.jsonl")
}
task kinship on people {
  input  (question: text)
  output (answer: Kin)
  prompt = "Q: {question}"
  parse  answer = last_match("(?i)answer: (\\\\w+)") as Kin
  metric accuracy = mean(answer == label)
}
kb family {
  semantics = max_product
  relation parent(child: text, parent: text, role: Kin) { key (child, parent) }
  relation twice(a: text, n: int) { key (a) }
  derived kin(a: text, b: text, rel: Kin)
  facts parent { ("ann", "bob", .father) 0.9 ("bob", "carl", .father) }
  facts parent from csv("more.csv")
  facts twice { ("x", 4) }
  rule base: kin(a, b, r) :- parent(a, b, r);
  rule step 0.5: kin(a, c, .grandfather) :- kin(a, b, _), parent(b, c, _);
  forbid own: parent(a, a, _);
  say kin = "{b} is the {rel} of {a}."
}
retrieve hints for kinship from family { query = question, search = fulltext(kin), cite = true }
"""
FACTS = 'test "facts" for family {\n  %s\n}\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "train.jsonl").write_text('{"question": "q", "label": "father"}\n')
    (tmp_path / "more.csv").write_text("child,parent,role\ncarl,dora,mother\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def nesyc(folder: Path, tests: str, *arguments: str) -> tuple[int, str]:
    (folder / "kin.nesy").write_text(SPEC + tests)
    result = CliRunner().invoke(app, [*arguments, "--spec", "kin.nesy"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def run_tests(folder: Path, tests: str) -> tuple[int, dict[str, Any]]:
    code, out = nesyc(folder, tests, "test", "--json")
    return code, json.loads(out)


def outcome(folder: Path, expectation: str, given: str = "") -> tuple[bool, str]:
    code, result = run_tests(folder, FACTS % f"{given}\n  expect {expectation};")
    [test] = result["tests"]
    [expect] = test["expects"]
    assert (result["passed"], result["failed"]) == ((1, 0) if expect["ok"] else (0, 1))
    assert code == (0 if expect["ok"] else 3)
    assert test["ok"] == expect["ok"]
    return expect["ok"], expect["found"]


@pytest.mark.parametrize(
    ("expectation", "ok", "found"),
    [
        ('kin("ann", "bob", .father)', True, "0.9"),
        ('kin("ann", "carl", _) conf 0.44 .. 0.46 by step', True, "0.45"),
        ('kin("ann", "carl", _) conf 0.45 .. 0.45', True, "0.45"),
        ('kin("ann", "carl", _) conf 0.5 .. 0.9', False, "0.45"),
        ('kin("ann", "carl", _) by base', False, "0.45 by step"),
        ('kin("ann", "zoe", _)', False, "no such fact"),
        ('kin("carl", "dora", .mother) by base', True, "1"),
        ('not kin("ann", "ann", _)', True, "no such fact"),
        ('not kin("ann", "bob", _)', False, "kin(ann, bob, father)"),
        ('not kin("ann", _, .mother)', True, "no such fact"),
        ("not kin(a, a, _)", True, "no such fact"),
        ('twice("x", 2 + 2)', True, "1"),
        ('twice("x", 2 + 3)', False, "no such fact"),
    ],
)
def test_facts(folder: Path, expectation: str, ok: bool, found: str) -> None:
    assert outcome(folder, expectation) == (ok, found)


def test_given_items_hold_for_their_test_only(folder: Path) -> None:
    given = 'given facts parent { ("dora", "eve", .mother) }'
    assert outcome(folder, 'kin("dora", "eve", .mother) by base', given) == (True, "1")
    rule = "given rule back: kin(b, a, r) :- parent(a, b, r);"
    assert outcome(folder, 'kin("bob", "ann", .father) by back', rule) == (True, "0.9")
    assert outcome(folder, 'kin("bob", "ann", .father)') == (False, "no such fact")


def test_expected_errors(folder: Path) -> None:
    bad = "given rule bad: kin(a, b, .father) :- parent(a, _, _);"
    assert outcome(folder, "error E0401", bad) == (True, "E0401")
    assert outcome(folder, "error E0402", bad) == (False, "E0401")


def test_parsers_and_prompts(folder: Path) -> None:
    code, result = run_tests(
        folder,
        'test "texts" for kinship {\n'
        '  expect parse("Answer: Father.") == .father;\n'
        '  expect parse("Answer: uncle") == null;\n'
        '  expect parse("Answer: father") != .father;\n'
        '  expect prompt(question = "who?") == "Q: who?";\n'
        '  expect prompt(question = "who?") contains "why";\n'
        "}\n",
    )
    expects = result["tests"][0]["expects"]
    assert code == 3
    assert [(one["ok"], one["found"]) for one in expects] == [
        (True, "father"), (True, "null"), (False, "father"), (True, "Q: who?"), (False, "Q: who?"),
    ]  # fmt: skip
    assert expects[0]["span"]["file"] == "kin.nesy"
    assert set(expects[0]["span"]) == {"file", "line", "col", "end_line", "end_col"}


def test_facts_that_break_a_constraint_fail_the_tests_of_the_kb(folder: Path) -> None:
    (folder / "more.csv").write_text("child,parent,role\ncarl,carl,mother\n")
    ok, found = outcome(folder, 'kin("ann", "bob", _)')
    assert not ok and "E0504" in found and "own" in found


def test_a_test_touches_no_store(folder: Path) -> None:
    outcome(folder, 'kin("ann", "bob", _)')
    assert not list(folder.rglob("*.db"))


def test_for_people(folder: Path) -> None:
    code, out = nesyc(folder, FACTS % 'expect kin("ann", "zoe", _);', "test")
    assert code == 3
    assert 'expected kin("ann", "zoe", _)\n' in out
    assert "FAILED  facts" in out and "found    no such fact" in out and "0 passed, 1 failed in " in out


def test_a_missing_fact_shows_what_is_near(folder: Path) -> None:
    _, result = run_tests(folder, FACTS % 'expect kin("ann", "bob", .mother);')
    assert result["tests"][0]["expects"][0]["near"] == ["kin(ann, bob, father)"]
    _, out = nesyc(folder, FACTS % 'expect kin("ann", "bob", .mother);', "test")
    assert "near     kin(ann, bob, father)" in out


def test_a_prompt_that_differs_is_shown_line_by_line(folder: Path) -> None:
    _, out = nesyc(folder, 'test "p" for kinship { expect prompt(question = "a") == "Q: b"; }', "test")
    assert "- Q: b" in out and "+ Q: a" in out


TWO = (
    FACTS.replace("facts", "First chain") % 'expect kin("ann", "bob", _);'
    + FACTS.replace("facts", "second")
    % 'expect kin("ann", "zoe\x01<&\\"", _);\n  expect not kin("ann", "bob", _);'
)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("chain", ["First chain"]),
        ("CHAIN or second", ["First chain", "second"]),
        ("not chain", ["second"]),
        ('"first c" and not (second or x)', ["First chain"]),
        ("not not second", ["second"]),
        ("e or c and nothing", ["second"]),
    ],
)
def test_names_chosen(folder: Path, expression: str, names: list[str]) -> None:
    _, out = nesyc(folder, TWO, "test", "--json", "-k", expression)
    result = json.loads(out)
    assert [test["name"] for test in result["tests"]] == names
    assert result["left_out"] == 2 - len(names)


@pytest.mark.parametrize(
    "expression", ["", "and", "a or", "(a", "a)", '"a', "a b", "(" * 300, "not " * 300 + "a"]
)
def test_what_is_no_choice(folder: Path, expression: str) -> None:
    code, _ = nesyc(folder, TWO, "test", "-k", expression)
    assert code == 2


def test_a_choice_of_nothing_is_a_mistake(folder: Path) -> None:
    (folder / "kin.nesy").write_text(SPEC + TWO)
    result = CliRunner().invoke(app, ["test", "-k", "nowhere", "--spec", "kin.nesy"])
    assert "no test fits `-k nowhere`" in str(result.exception) and "First chain" in result.exception.help  # type: ignore[union-attr]


def test_junit(folder: Path) -> None:
    code, _ = nesyc(folder, TWO, "test", "--junit", "out/junit.xml")
    assert code == 3
    root = ElementTree.parse(folder / "out" / "junit.xml").getroot()
    assert (root.tag, root.attrib["tests"], root.attrib["failures"]) == ("testsuites", "2", "1")
    [suite] = root
    assert (suite.tag, suite.attrib["name"], suite.attrib["errors"]) == ("testsuite", "kin", "0")
    good, bad = suite
    assert (good.tag, good.attrib["name"], len(good)) == ("testcase", "First chain", 0)
    assert bad.attrib["classname"] == "kin" and bad.attrib["file"] == "kin.nesy"
    assert float(bad.attrib["time"]) >= 0 and int(bad.attrib["line"]) > 1
    [failure] = bad
    assert failure.tag == "failure" and "found no such fact" in failure.attrib["message"]
    assert failure.text is not None
    assert "kin.nesy:" in failure.text and "zoe\N{REPLACEMENT CHARACTER}<&" in failure.text
    assert "found: kin(ann, bob, father)" in failure.text  # both expectations that do not hold
    assert sum(float(case.attrib["time"]) for case in suite) == pytest.approx(float(root.attrib["time"]))


def test_a_test_that_expects_nothing(folder: Path) -> None:
    (folder / "kin.nesy").write_text(SPEC + 'test "empty" for family { }\n')
    result = CliRunner().invoke(app, ["test", "--spec", "kin.nesy"])
    assert [d.code for d in result.exception.diagnostics] == ["E0901"]  # type: ignore[union-attr]


def test_no_tests(folder: Path) -> None:
    assert nesyc(folder, "", "test") == (0, "no tests\n")


def test_retrieve_one_question(folder: Path) -> None:
    code, out = nesyc(folder, "", "retrieve", "hints", "who is dora to carl", "--json")
    assert code == 0
    result = json.loads(out)
    fact = {"relation": "kin", "args": ["carl", "dora", "mother"], "text": "dora is the mother of carl."}
    assert (result["v"], result["gate"], result["facts"]) == (1, None, [fact])
    [hit] = result["hits"]
    assert (hit["relation"], hit["key"], hit["text"]) == ("kin", fact["args"], fact["text"])


def test_retrieve_a_file_of_questions(folder: Path) -> None:
    (folder / "questions.txt").write_text("dora\nnobody\n")
    code, out = nesyc(folder, "", "retrieve", "hints", "--from", "questions.txt")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [len(line["hits"]) for line in lines] == [1, 0]


def test_retrieve_wrong_names(folder: Path) -> None:
    (folder / "kin.nesy").write_text(SPEC)
    result = CliRunner().invoke(app, ["retrieve", "nope", "x", "--spec", "kin.nesy"])
    assert "no `retrieve nope`" in str(result.exception)
    result = CliRunner().invoke(app, ["retrieve", "hints", "--from", "gone.txt", "--spec", "kin.nesy"])
    assert "gone.txt cannot be read" in str(result.exception)
