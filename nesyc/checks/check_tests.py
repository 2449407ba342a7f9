"""Tests: what they expect can be asked, and what their given items get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.fact_table import read_facts
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.messages import confidence_range, duplicate, unknown_constant, unknown_name
from nesyc.checks.rule_table import analyse_body, analyse_order, analyse_rule
from nesyc.checks.tables import Tables
from nesyc.checks.tasks import TaskInfo
from nesyc.checks.types import BOOL, INT, NUMBER, TEXT, Type, assignable
from nesyc.checks.value_words import describe
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.codes import CODES
from nesyc.syntax import nodes as ast


def test_kb(tables: Tables, test: ast.Test) -> KbInfo | None:
    """The KB a test is for: named, or the only one where none is."""
    kbs = tables.symbols.kbs
    if test.target is None:
        return next(iter(kbs.values())) if len(kbs) == 1 else None
    return kbs.get(test.target.text)


def test_task(tables: Tables, test: ast.Test) -> TaskInfo | None:
    """The task a test is for: named, or the only one where none is."""
    if test.target is None:
        return next(iter(tables.tasks.values())) if len(tables.tasks) == 1 else None
    return tables.tasks.get(test.target.text)


def expects_error(test: ast.Test) -> bool:
    return any(isinstance(expected, ast.ExpectError) for expected in test.expectations)


def given_problems(tables: Tables, test: ast.Test) -> tuple[Diagnostic, ...]:
    """What the compiler says about the given items, added to the KB for this test only."""
    kb = test_kb(tables, test)
    if kb is None or not test.given:
        return ()
    items = [given.item for given in test.given]
    rules = tuple(item for item in items if isinstance(item, ast.Rule))
    facts = tuple(item for item in items if isinstance(item, ast.Facts))
    found: list[Diagnostic] = []
    own: tuple[ast.Rule | ast.Forbid, ...] = (*kb.rules, *kb.forbids)
    names = {rule.name.text: rule.name.span for rule in own}
    for item in items:
        if isinstance(item, (ast.Rule, ast.Forbid)):
            found.extend(analyse_rule(kb.scope, item, tables.text_of).problems)
            if item.name.text in names:
                found.append(duplicate("rule", item.name.text, item.name.span, names[item.name.text]))
            names.setdefault(item.name.text, item.name.span)
    if facts:
        # Keys and foreign keys are judged together with the facts the KB has already.
        known = set(tables.facts[kb.name].problems)
        both = read_facts(kb, (*kb.facts, *facts), tables.resolver())
        found.extend(problem for problem in both.problems if problem not in known)
    if rules:
        known = set(tables.rules[kb.name].problems)
        _, problems = analyse_order(kb.scope, (*kb.rules, *rules), tables.memo)
        found.extend(problem for problem in problems if problem not in known)
    return tuple(found)


def check_tests(tables: Tables) -> Iterator[Diagnostic]:
    """E0901, E0201 to E0304, E0307 and E0308 in the expectations; the given items of tests that expect no error."""
    for test in tables.symbols.tests:
        if not test.expectations:
            help_ = Help("add what must hold:  expect RELATION(...);")
            message = f'test "{test.name.value}" expects nothing'
            yield Diagnostic("E0901", message, test.name.span, "no `expect`", help=help_)
        if test.target is not None and test_kb(tables, test) is None and test_task(tables, test) is None:
            continue
        if not expects_error(test):
            yield from (problem for problem in given_problems(tables, test) if problem.severity == "error")
        for expected in test.expectations:
            match expected:
                case ast.ExpectFact():
                    yield from _check_fact(tables, test, expected)
                case ast.ExpectError():
                    yield from _check_code(expected)
                case ast.ExpectValue():
                    yield from _check_value(tables, test, expected)


def _check_fact(tables: Tables, test: ast.Test, expected: ast.ExpectFact) -> Iterator[Diagnostic]:
    kb = test_kb(tables, test)
    if kb is None:
        yield _wrong_target(test, "a fact is expected of a kb", tuple(tables.symbols.kbs))
        return
    info = analyse_body(kb.scope, None, (expected.atom,), tables.text_of)
    yield from (problem for problem in info.problems if problem.code != "E0305")
    for bound in (expected.low, expected.high):
        if bound is not None and not 0 <= bound.value <= 1:
            yield confidence_range(bound.span)
    if expected.low is not None and expected.high is not None and expected.low.value > expected.high.value:
        message = f"the range {expected.low.value:g} .. {expected.high.value:g} is empty"
        yield Diagnostic("E0307", message, expected.high.span, "below the lower bound")
    if expected.by is not None:
        rules = [rule.name.text for rule in kb.rules]
        rules += [given.item.name.text for given in test.given if isinstance(given.item, ast.Rule)]
        if expected.by.text not in rules:
            yield unknown_name("rule", expected.by.text, expected.by.span, rules)


def _wrong_target(test: ast.Test, why: str, known: tuple[str, ...]) -> Diagnostic:
    place = test.target.span if test.target else test.name.span
    help_ = Help(f"write `for {known[0]}`") if known else None
    return Diagnostic("E0308", why, place, "not what is tested", help=help_)


def _check_code(expected: ast.ExpectError) -> Iterator[Diagnostic]:
    code = expected.code
    if code.text not in CODES:
        yield unknown_name("diagnostic", code.text, code.span, CODES, ("`nesyc explain` lists all codes",))


def _check_value(tables: Tables, test: ast.Test, expected: ast.ExpectValue) -> Iterator[Diagnostic]:
    task = test_task(tables, test)
    left = expected.left
    if task is None:
        yield _wrong_target(test, "parsers and prompts are expected of a task", tuple(tables.tasks))
        return
    if not isinstance(left, ast.Call) or left.function.text not in ("parse", "prompt"):
        message = f"expected `parse(...)` or `prompt(...)`, found {describe(left)}"
        span = left.function.span if isinstance(left, ast.Call) else left.span
        yield Diagnostic("E0308", message, span, "nothing to test")
        return
    if left.function.text == "prompt":
        yield from _check_prompt(tables, task, left, expected)
    else:
        yield from _check_parse(tables, task, left, expected)


def _check_prompt(
    tables: Tables, task: TaskInfo, call: ast.Call, expected: ast.ExpectValue
) -> Iterator[Diagnostic]:
    given = set()
    for argument in call.arguments:
        if argument.name is None:
            message = "`prompt` takes the inputs by name"
            yield Diagnostic("E0308", message, argument.span, "no name")
            continue
        name = argument.name
        given.add(name.text)
        if name.text != "retrieved" and name.text not in task.inputs:
            yield unknown_name(f"input of task `{task.name}`", name.text, name.span, task.inputs)
            continue
        yield from _check_constant(tables, argument.value, task.inputs.get(name.text, TEXT))
    missing = [name for name in task.inputs if name not in given]
    if missing:
        message = f"`prompt` needs the input `{missing[0]}`"
        yield Diagnostic("E0308", message, call.function.span, f"no `{missing[0]} = ...`")
    if not isinstance(expected.right, ast.Text):
        yield Diagnostic(
            "E0302", "a prompt is text", expected.right.span, f"this is {describe(expected.right)}"
        )


def parsed_output(task: TaskInfo, call: ast.Call) -> str:
    """The output that `parse(...)` reads: `output = name`, else the first with a parser."""
    for argument in call.arguments:
        if (
            argument.name is not None
            and argument.name.text == "output"
            and isinstance(argument.value, ast.Name)
        ):
            return argument.value.text
    return task.node.parsers[0].output.text if task.node.parsers else "reasoning"


def _check_parse(
    tables: Tables, task: TaskInfo, call: ast.Call, expected: ast.ExpectValue
) -> Iterator[Diagnostic]:
    texts = [argument for argument in call.arguments if argument.name is None]
    if len(texts) != 1 or not isinstance(texts[0].value, ast.Text):
        message = "`parse` takes the text of a response"
        yield Diagnostic("E0308", message, call.span, "not one text")
        return
    output = parsed_output(task, call)
    if output not in task.outputs:
        yield unknown_name(f"output of task `{task.name}`", output, call.span, task.outputs)
        return
    if expected.operator == "contains":
        yield Diagnostic(
            "E0308", "a parsed value is compared by `==` or `!=`", expected.span, "no text to search"
        )
        return
    if not isinstance(expected.right, ast.Null):
        yield from _check_constant(tables, expected.right, task.outputs[output])


def _check_constant(tables: Tables, expr: ast.Expr, wanted: Type) -> Iterator[Diagnostic]:
    if isinstance(expr, ast.EnumConstant):
        enum = tables.symbols.enums.get(wanted.enum or "")
        if enum is None:
            yield Diagnostic(
                "E0302", f"expected {wanted}, found `.{expr.name}`", expr.span, "an enum constant"
            )
        elif not enum.has(expr.name):
            yield unknown_constant(enum.name, expr.name, expr.span, enum.constants, enum.span)
        return
    match expr:
        case ast.Text():
            found = TEXT
        case ast.Number():
            found = INT if isinstance(expr.value, int) else NUMBER
        case ast.Bool():
            found = BOOL
        case _:
            yield Diagnostic(
                "E0302", f"expected a constant, found {describe(expr)}", expr.span, "no constant"
            )
            return
    if wanted.base == "date" and found is TEXT:
        return
    if not assignable(found, wanted):
        yield Diagnostic("E0302", f"expected {wanted}, found {found}", expr.span, f"this is {found}")
