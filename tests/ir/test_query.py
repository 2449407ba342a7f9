"""Queries and facts from a command line, against a compiled spec alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from nesyc.ir import nodes
from nesyc.ir.query import ANY, lower_fact, lower_query
from nesyc.pipeline import check_spec

SAMPLE = Path(__file__).parents[1] / "samples" / "kinship" / "kinship.nesy"


@pytest.fixture(scope="module")
def spec() -> nodes.Spec:
    found = check_spec(SAMPLE).spec
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ('kin("ann", x, r), not only_child(x)', ("x", "r")),
        ('kin("ann", "carl", "grandfather")', ()),
        ('kin("ann", "carl", .grandfather)', ()),
        ("person(x), n = count(b: sibling(x, b)), n > 0", ("x", "n")),
        ("kin(b, a, _), a != b", ("b", "a")),
        ('lesson(id, t, _, w, _), known(w), contains(w, "a")', ("id", "t", "w")),
    ],
)
def test_columns_are_the_named_variables_in_order(
    spec: nodes.Spec, text: str, columns: tuple[str, ...]
) -> None:
    found = lower_query(spec, text)
    assert found.diagnostics == ()
    assert found.columns == columns
    assert found.literals


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("kinn(x, y, _)", "E0201"),
        ("kin(x, y)", "E0301"),
        ('kin(x, y, "fther")', "E0303"),
        ("kin(x, y, .fther)", "E0303"),
        ("kin(x, 3, _)", "E0302"),
        ("not person(x)", "E0402"),
        ("person(x), y > 3", "E0401"),
        ("kin(x, y", "E0101"),
        ("", "E0101"),
    ],
)
def test_mistakes_are_diagnostics_in_the_query(spec: nodes.Spec, text: str, code: str) -> None:
    found = lower_query(spec, text)
    assert code in [problem.code for problem in found.diagnostics]
    assert {problem.span.file for problem in found.diagnostics} == {"<query>"}
    assert (found.literals, found.columns) == ((), ())


def test_a_quoted_enum_constant_is_the_constant(spec: nodes.Spec) -> None:
    (one,) = lower_query(spec, 'kin("ann", x, "father")').literals
    (two,) = lower_query(spec, 'kin("ann", x, .father)').literals
    assert isinstance(one, nodes.AtomLiteral)
    assert isinstance(two, nodes.AtomLiteral)
    assert one.terms == two.terms


def test_facts_have_wildcards_and_plain_values(spec: nodes.Spec) -> None:
    assert lower_fact(spec, 'kin("ann", _, .father)').values == ("ann", ANY, "father")
    assert lower_fact(spec, 'kin("ann", "bob", "father")').values == ("ann", "bob", "father")
    assert lower_fact(spec, "sibling_count(_, 2)").values == (ANY, 2)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('kinn("a")', "E0201"),
        ('kin("a")', "E0301"),
        ('kin("a", x, _)', "E0302"),
        ('kin("a", "b", "fther")', "E0303"),
        ("kin(1, _, _)", "E0302"),
        ("known(x)", "E0201"),
        ("kin(", "E0101"),
    ],
)
def test_wrong_facts(spec: nodes.Spec, text: str, code: str) -> None:
    found = lower_fact(spec, text)
    assert code in [problem.code for problem in found.diagnostics]
    assert (found.relation, found.values) == ("", ())


def test_an_unknown_kb_raises_with_the_known_ones(spec: nodes.Spec) -> None:
    with pytest.raises(KeyError, match="family"):
        lower_query(spec, "person(x)", kb="nope")
