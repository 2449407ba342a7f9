"""Arithmetic, text functions, nulls, `or`, aggregates and computed heads, each against the definition."""

from __future__ import annotations

from typing import Any

import pytest
from oracle import evaluate as oracle
from running import ask, derived, open_kb
from samples import INT, NUMBER, TEXT, atom, compare, const, count, either, fact, kb, relation, rule, var

from nesyc.ir import nodes as ir
from nesyc_runtime.errors import UserError

N, M, X, Y = var("n", INT), var("m", INT), var("x"), var("y")
BOOL = ir.Type("bool")
OPTIONAL = ir.Type("int", True)


def apply(function: str, *arguments: ir.Term, type_: ir.Type = INT) -> ir.Apply:
    return ir.Apply(function, arguments, type_)


def numbers(*rules: ir.Rule, head: ir.Type = INT) -> ir.Kb:
    values = [("a", 7), ("b", -7), ("c", 0), ("d", None), ("É", 2)]
    return kb(
        [relation("v", ("x", TEXT), ("n", OPTIONAL)), relation("long", ("t", TEXT), fulltext=["t"]),
         relation("d", ("x", TEXT), ("r", head), derived=True)],
        [fact("v", *row) for row in values] + [fact("long", "Some LONG text"), fact("long", "a")],
        rules, [["d"]],
    )  # fmt: skip


def checked(kb_: ir.Kb) -> set[tuple[Any, ...]]:
    """What `d` holds, after the engine and the definition have agreed on it."""
    with open_kb(kb_) as store:
        found = {row for name, row in derived(store, kb_) if name == "d"}
    assert found == oracle(kb_).seen["d"]
    return found


@pytest.mark.parametrize(
    ("term", "type_", "wanted"),
    [
        (apply("+", N, const(1, INT)), INT, {("a", 8), ("b", -6), ("c", 1), ("É", 3)}),
        (apply("-", N, N), INT, {("a", 0), ("b", 0), ("c", 0), ("É", 0)}),
        (apply("*", N, const(3, INT)), INT, {("a", 21), ("b", -21), ("c", 0), ("É", 6)}),
        (apply("%", N, const(4, INT)), INT, {("a", 3), ("b", -3), ("c", 0), ("É", 2)}),
        (apply("/", N, const(2, INT), type_=NUMBER), NUMBER, {("a", 3.5), ("b", -3.5), ("c", 0.0), ("É", 1.0)}),
        (apply("/", const(14, INT), N, type_=NUMBER), NUMBER, {("a", 2.0), ("b", -2.0), ("É", 7.0)}),
        (apply("neg", N), INT, {("a", -7), ("b", 7), ("c", 0), ("É", -2)}),
        (apply("length", apply("concat", X, X, type_=TEXT)), INT, {(x, 2) for x in "abcÉ"}),
        (apply("lower", apply("concat", X, const("!"), type_=TEXT), type_=TEXT), TEXT,
         {("a", "a!"), ("b", "b!"), ("c", "c!"), ("É", "é!")}),
    ],
)  # fmt: skip
def test_functions(term: ir.Term, type_: ir.Type, wanted: set[tuple[Any, ...]]) -> None:
    body = (atom("v", X, N), compare(N, "==", N))
    direct = numbers(rule("r", atom("d", X, term), *body), head=type_)
    bound = numbers(
        rule("r", atom("d", X, var("z", type_)), *body, compare(var("z", type_), "=", term)), head=type_
    )
    assert checked(direct) == wanted
    assert checked(bound) == wanted


def test_text_tests() -> None:
    def holds(function: str, *arguments: ir.Term) -> ir.BodyLiteral:
        return compare(apply(function, *arguments, type_=BOOL), "==", const(True, BOOL))

    t = var("t")
    length = apply("length", t)
    for literal in (holds("contains", t, const("LONG")), holds("starts_with", t, const("Some")),
                    compare(apply("upper", t, type_=TEXT), "!=", const("A"))):  # fmt: skip
        assert checked(numbers(rule("r", atom("d", t, length), atom("long", t), literal))) == {
            ("Some LONG text", 14)
        }
    with open_kb(numbers()) as store:
        found = ask(store, numbers(), atom("long", t), holds("matches", t, const("^S.*t$")), columns=("t",))
        assert [row["values"] for row in found["rows"]] == [["Some LONG text"]]


def test_long_text_joins_interned_text() -> None:
    assert checked(numbers(rule("r", atom("d", X, N), atom("v", X, N), atom("long", X)))) == {("a", 7)}
    assert checked(numbers(rule("r", atom("d", X, N), atom("long", X), atom("v", X, N)))) == {("a", 7)}


def test_nulls_never_equal_and_known_tells_them() -> None:
    known = ir.KnownLiteral("n", ir.Location("k", 1, 1, 1, 2), "known(n)")
    unknown = ir.KnownLiteral("n", ir.Location("k", 1, 1, 1, 2), "not known(n)", True)
    assert checked(numbers(rule("r", atom("d", X, const(1, INT)), atom("v", X, N), unknown))) == {("d", 1)}
    assert checked(numbers(rule("r", atom("d", X, N), atom("v", X, N), known))) == {
        ("a", 7),
        ("b", -7),
        ("c", 0),
        ("É", 2),
    }
    assert checked(
        numbers(rule("r", atom("d", X, const(1, INT)), atom("v", X, N), atom("v", Y, N), compare(X, "==", Y)))
    ) == {(x, 1) for x in "abcÉ"}
    # a null that a head's column cannot hold gives no row, under a semantics that updates rows too
    nullable = numbers(rule("r", atom("d", X, N), atom("v", X, N)))
    for semantics in ("boolean", "max_product"):
        checked(ir.Kb(*(ir.Semantics(semantics) if name == "semantics" else getattr(nullable, name)  # type: ignore[arg-type]
                        for name in ir.Kb.__dataclass_fields__)))  # fmt: skip


def test_or_binds_and_filters() -> None:
    low, high = compare(N, "<", const(0, INT)), compare(N, ">", const(6, INT))
    assert checked(numbers(rule("r", atom("d", X, N), atom("v", X, N), either(low, high)))) == {
        ("a", 7),
        ("b", -7),
    }
    one = either(compare(M, "=", const(1, INT)), compare(M, "=", const(2, INT)))
    assert checked(numbers(rule("r", atom("d", X, M), atom("long", X), one))) == {
        ("a", 1), ("a", 2), ("Some LONG text", 1), ("Some LONG text", 2),
    }  # fmt: skip


@pytest.mark.parametrize("function", ["count", "sum", "min", "max", "avg"])
def test_aggregates_over_an_empty_and_a_full_group(function: str) -> None:
    type_ = NUMBER if function == "avg" else INT
    inner = (atom("v", Y, M), compare(M, ">", N))
    literal = count(var("k", type_), M, *inner, groups=["n"], function=function)
    found = checked(numbers(rule("r", atom("d", X, var("k", type_)), atom("v", X, N), literal), head=type_))
    assert ("a", 0) in found if function == "count" else not any(x == "a" for x, _ in found)


def test_two_equal_values_are_two_for_sum_and_one_for_count() -> None:
    pay = relation("pay", ("who", TEXT), ("n", INT))
    total, number = var("s", INT), var("k", INT)
    rules = [rule("r", atom("d", const("all"), total), count(total, M, atom("pay", Y, M), groups=[], function="sum")),
             rule("c", atom("c", number), count(number, M, atom("pay", Y, M), groups=[]))]  # fmt: skip
    kb_ = kb([pay, relation("d", ("x", TEXT), ("n", INT), derived=True), relation("c", ("n", INT), derived=True)],
             [fact("pay", "ann", 5), fact("pay", "bob", 5)], rules, [["d"], ["c"]])  # fmt: skip
    with open_kb(kb_) as store:
        assert {row for _, row in derived(store, kb_)} >= {("all", 10), (1,)}


def test_recursive_arithmetic_with_a_bound_runs_to_it() -> None:
    rules = [rule("zero", atom("d", const("k"), const(0, INT)), atom("long", const("a"))),
             rule("next", atom("d", X, M), atom("d", X, N), compare(M, "=", apply("+", N, const(1, INT))),
                  compare(M, "<=", const(50, INT)))]  # fmt: skip
    assert checked(numbers(*rules)) == {("k", i) for i in range(51)}


def test_new_text_in_a_recursion_is_interned_each_round() -> None:
    longer = apply("concat", X, const("x"), type_=TEXT)
    rules = [rule("zero", atom("d", const("k"), const(0, INT)), atom("long", const("a"))),
             rule("next", atom("d", longer, apply("length", longer)), atom("d", X, N),
                  compare(apply("length", X), "<", const(9, INT)))]  # fmt: skip
    assert max(len(x) for x, _ in checked(numbers(*rules))) == 9


def test_a_value_too_large_for_its_column_names_the_rule() -> None:
    huge = apply("*", const(2**62, INT), N)
    with pytest.raises(UserError, match="rule `r` computes a value that its column cannot hold"):
        open_kb(numbers(rule("r", atom("d", X, huge), atom("v", X, N))))
