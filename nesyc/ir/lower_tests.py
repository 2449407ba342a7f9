"""Tests: expectations, and the KB with a test's given items."""

from __future__ import annotations

from nesyc.checks.check_tests import expects_error, given_problems, parsed_output, test_kb, test_task
from nesyc.checks.constants import fold
from nesyc.checks.fact_table import read_facts
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.rule_table import analyse_body, analyse_rule
from nesyc.ir import nodes
from nesyc.ir.context import Lowering
from nesyc.ir.lower_kb import lower_kb_with
from nesyc.ir.lower_rules import BodyLowering
from nesyc.syntax import nodes as ast


def lower_tests(to: Lowering) -> tuple[nodes.Test, ...]:
    return tuple(_test(to, test) for test in to.tables.symbols.tests)


def _test(to: Lowering, test: ast.Test) -> nodes.Test:
    kb, task = test_kb(to.tables, test), test_task(to.tables, test)
    found: tuple[str, ...] = ()
    if expects_error(test):
        found = tuple(sorted({problem.code for problem in given_problems(to.tables, test)}))
    expectations = tuple(_expectation(to, test, expected, found) for expected in test.expectations)
    about_facts = any(
        isinstance(expected, (ast.ExpectFact, ast.ExpectError)) for expected in test.expectations
    )
    target = kb if kb is not None and (about_facts or task is None) else task
    return nodes.Test(
        name=test.name.value,
        target=target.name if target is not None else "",
        kb=_given(to, kb, test) if kb is not None and test.given and not expects_error(test) else None,
        expectations=expectations,
        location=to.at(test.span),
    )


def _given(to: Lowering, kb: KbInfo, test: ast.Test) -> nodes.Kb:
    tables = to.tables
    items = [given.item for given in test.given]
    facts = tuple(item for item in items if isinstance(item, ast.Facts))
    known = tables.rules[kb.name]
    rules = list(zip(kb.rules, known.rules, strict=True))
    forbids = list(zip(kb.forbids, known.forbids, strict=True))
    for item in items:
        if isinstance(item, ast.Rule):
            rules.append((item, analyse_rule(kb.scope, item, tables.text_of)))
        elif isinstance(item, ast.Forbid):
            forbids.append((item, analyse_rule(kb.scope, item, tables.text_of)))
    all_facts = read_facts(kb, (*kb.facts, *facts), tables.resolver()) if facts else tables.facts[kb.name]
    return lower_kb_with(to, kb, rules, forbids, all_facts)


def _expectation(
    to: Lowering, test: ast.Test, expected: ast.Expectation, found: tuple[str, ...]
) -> nodes.Expectation:
    text, location = to.text(expected.span), to.at(expected.span)
    match expected:
        case ast.ExpectError():
            return nodes.ExpectError(expected.code.text, found, text, location)
        case ast.ExpectFact():
            return _fact(to, test, expected, text, location)
        case ast.ExpectValue():
            return _value(to, test, expected, text, location)


def _fact(
    to: Lowering, test: ast.Test, expected: ast.ExpectFact, text: str, location: nodes.Location
) -> nodes.ExpectFact:
    kb = test_kb(to.tables, test)
    assert kb is not None
    info = analyse_body(kb.scope, None, (expected.atom,), to.tables.text_of)
    return nodes.ExpectFact(
        atom=BodyLowering(kb.scope, info.types, to.at, to.text).atom(expected.atom),
        negated=expected.negated,
        low=float(expected.low.value) if expected.low else None,
        high=float(expected.high.value) if expected.high else None,
        by=expected.by.text if expected.by else None,
        text=text,
        location=location,
    )


def _value(
    to: Lowering, test: ast.Test, expected: ast.ExpectValue, text: str, location: nodes.Location
) -> nodes.ExpectParse | nodes.ExpectPrompt:
    task, call = test_task(to.tables, test), expected.left
    assert task is not None and isinstance(call, ast.Call)
    if call.function.text == "prompt":
        inputs = {item.name.text: _constant(item.value) for item in call.arguments if item.name is not None}
        value = _constant(expected.right)
        return nodes.ExpectPrompt(inputs, expected.operator, str(value), text, location)
    response = next(item.value for item in call.arguments if item.name is None)
    operator = expected.operator
    assert operator != "contains"
    return nodes.ExpectParse(
        str(_constant(response)),
        parsed_output(task, call),
        operator,
        _constant(expected.right),
        text,
        location,
    )


def _constant(expr: ast.Expr) -> nodes.Scalar:
    if isinstance(expr, ast.EnumConstant):
        return expr.name
    return None if isinstance(expr, ast.Null) else fold(expr, {}).value
