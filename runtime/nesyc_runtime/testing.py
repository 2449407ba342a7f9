"""The `test` blocks of a spec: expectations on rules, prompts, parsers and diagnostics, without any model."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, assert_never

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.errors import UserError
from nesyc_runtime.expressions import equal, evaluate
from nesyc_runtime.inference.answers import parse_answer
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.kb.open import bring_in_step, refuse_violations
from nesyc_runtime.kb.proofs.graph import Graph
from nesyc_runtime.kb.proofs.why import best_rule
from nesyc_runtime.kb.search.retrieval_rows import KbRow, read_rows
from nesyc_runtime.kb.storage.store import Store, open_store
from nesyc_runtime.kb.storage.values import shown
from nesyc_runtime.project import Project

SHOWN = 6  # digits of a confidence
NEAR = 3  # facts shown where the expected one is missing
SLACK = 1e-9  # confidences are compared as written, in decimals


@dataclass(frozen=True, slots=True)
class Outcome:
    """`found` says what there was in place of, or as, what was expected; `near` facts that almost fit."""

    ok: bool
    found: str
    near: tuple[str, ...] = ()


def run_tests(
    build: Build,
    project: Project,
    programs: Mapping[str, Any],
    *,
    wanted: Callable[[str], bool] = lambda name: True,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Any]:
    """The object of the `test` contract; every test of a KB runs on a fresh one in memory.

    `programs[name]` is the compiled rule program, as JSON values, of each test that adds to its KB. What is wrong
    with a KB's facts fails the test that is about it. Only tests whose name is `wanted` run.
    """
    chosen = [test for test in build.spec.tests if wanted(test.name)]
    tests = [_timed(build, project, programs, test, clock) for test in chosen]
    passed = sum(test["ok"] for test in tests)
    left_out = len(build.spec.tests) - len(chosen)
    return {"v": 1, "passed": passed, "failed": len(tests) - passed, "tests": tests, "left_out": left_out}


def _timed(
    build: Build,
    project: Project,
    programs: Mapping[str, Any],
    test: config.Test,
    clock: Callable[[], float],
) -> dict[str, Any]:
    start = clock()
    result = _run(build, project, programs, test)
    return {**result, "seconds": round(clock() - start, 4)}


def _run(build: Build, project: Project, programs: Mapping[str, Any], test: config.Test) -> dict[str, Any]:
    store: Store | UserError | None = None
    if any(isinstance(expected, config.ExpectFact) for expected in test.expectations):
        store = _fresh_store(build, project, programs, test)
    task = next((task for task in build.spec.tasks if task.name == test.target), None)
    try:
        expects = [
            {
                "text": expected.text,
                "ok": outcome.ok,
                "found": outcome.found,
                "span": expected.location.model_dump(),
                "near": list(outcome.near),
                "wanted": expected.value.strip()
                if isinstance(expected, config.ExpectPrompt) and expected.operator == "=="
                else None,
            }
            for expected in test.expectations
            for outcome in [_outcome(expected, store, task)]
        ]
    finally:
        if isinstance(store, Store):
            store.close()
    return {
        "name": test.name,
        "ok": all(expect["ok"] for expect in expects),
        "expects": expects,
        "span": test.location.model_dump(),
    }


def _fresh_store(
    build: Build, project: Project, programs: Mapping[str, Any], test: config.Test
) -> Store | UserError:
    kb = test.kb or next(kb for kb in build.spec.kbs if kb.name == test.target)
    program = build.programs[kb.name] if test.kb is None else programs[test.name]
    store = open_store(None, kb, program)
    try:
        bring_in_step(store, project)
        refuse_violations(store)
    except UserError as error:
        store.close()
        return error
    return store


def _outcome(
    expected: config.Expectation, store: Store | UserError | None, task: config.Task | None
) -> Outcome:
    match expected:
        case config.ExpectError():
            found = ", ".join(expected.found) or "no error"
            return Outcome(expected.code in expected.found, found)
        case config.ExpectFact():
            if isinstance(store, UserError):
                return Outcome(False, str(store))
            assert store is not None
            return _absent(store, expected) if expected.negated else _present(store, expected)
        case config.ExpectParse():
            assert task is not None
            return _parsed(task, expected)
        case config.ExpectPrompt():
            assert task is not None
            return _prompt(task, expected)
        case _:
            assert_never(expected)


def _present(store: Store, expected: config.ExpectFact) -> Outcome:
    """The best of the facts that fit; where a range or a rule is asked for, the best that has it."""
    rows = sorted(matching(store, expected.atom), key=lambda row: -row.implicit["conf"])
    if not rows:
        return Outcome(False, "no such fact", tuple(_near(store, expected.atom)))
    low, high = expected.low, expected.high
    inside = [
        row
        for row in rows
        if (low is None or row.implicit["conf"] >= low - SLACK)
        and (high is None or row.implicit["conf"] <= high + SLACK)
    ]
    conf = f"{round((inside or rows)[0].implicit['conf'], SHOWN):g}"
    if not inside:
        return Outcome(False, conf)
    if expected.by is None:
        return Outcome(True, conf)
    rules = [_last_rule(store, row) for row in inside]
    if expected.by in rules:
        return Outcome(True, f"{round(inside[rules.index(expected.by)].implicit['conf'], SHOWN):g}")
    return Outcome(False, f"{conf} by {rules[0]}" if rules[0] else f"{conf}, a stored fact")


def _last_rule(store: Store, row: KbRow) -> str | None:
    fact = Graph(store).find(row.relation, tuple(row.values.values()))
    return best_rule(store, fact) if fact is not None else None


def _absent(store: Store, expected: config.ExpectFact) -> Outcome:
    row = next(matching(store, expected.atom), None)
    if row is None:
        return Outcome(True, "no such fact")
    return Outcome(False, _fact_text(row))


def _fact_text(row: KbRow) -> str:
    arguments = ", ".join(shown(value) or "null" for value in row.values.values())
    return f"{row.relation}({arguments})"


def _near(store: Store, atom: config.AtomLiteral) -> Iterator[str]:
    """A few facts that differ from a ground atom in one constant: what a mistyped expectation meant, mostly."""
    found: dict[str, None] = {}
    for position in reversed(range(len(atom.terms))):
        term = atom.terms[position]
        if isinstance(term, config.Const) and len(found) < NEAR:
            anything = config.Var(name=None, type=term.type)
            terms = (*atom.terms[:position], anything, *atom.terms[position + 1 :])
            rows = islice(matching(store, atom.model_copy(update={"terms": terms})), NEAR)
            found |= dict.fromkeys(_fact_text(row) for row in rows)
    yield from list(found)[:NEAR]


def matching(store: Store, atom: config.AtomLiteral) -> Iterator[KbRow]:
    """The facts an atom fits: equal constants, equal values where a variable stands twice, `_` anything."""
    names = [column.name for column in store.relation(atom.relation).columns]
    pairs = list(zip(names, atom.terms, strict=True))
    constants = {name: term.value for name, term in pairs if isinstance(term, config.Const)}
    for row in read_rows(store, atom.relation, constants):
        if _fits(row, pairs):
            yield row


def _fits(row: KbRow, pairs: list[tuple[str, config.Term]]) -> bool:
    bindings: dict[str, Any] = {}
    for name, term in pairs:
        if isinstance(term, config.Var) and term.name is not None:
            value = row.values[name]
            if term.name in bindings and not equal(bindings[term.name], value):
                return False
            bindings[term.name] = value
    return all(
        equal(evaluate(_item(term), {"row": bindings}), row.values[name])
        for name, term in pairs
        if isinstance(term, config.Apply)
    )


def _item(term: config.Term) -> config.ItemExpr:
    """A term of a rule as a scalar expression over the variables bound by the fact."""
    match term:
        case config.Const():
            return term
        case config.Var():
            return config.ColumnRef(scope="row", name=term.name or "")
        case config.Apply():
            return config.Operation(operator=term.function, arguments=tuple(map(_item, term.arguments)))


def _parsed(task: config.Task, expected: config.ExpectParse) -> Outcome:
    value = parse_answer(task, expected.response).get(expected.output)
    same = value is None if expected.value is None else equal(value, expected.value) is True
    return Outcome(same == (expected.operator == "=="), "null" if value is None else shown(value))


def _prompt(task: config.Task, expected: config.ExpectPrompt) -> Outcome:
    inputs = {name: value for name, value in expected.inputs.items() if name != "retrieved"}
    retrieved = expected.inputs.get("retrieved")
    prompt = render_prompt(task, inputs, None if retrieved is None else shown(retrieved))
    match expected.operator:
        case "==":
            ok = prompt == expected.value.strip()
        case "!=":
            ok = prompt != expected.value.strip()
        case "contains":
            ok = expected.value in prompt
    return Outcome(ok, prompt)
