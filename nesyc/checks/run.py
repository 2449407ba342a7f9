"""The passes in order, and which of their findings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nesyc.checks.check_datasets import check_datasets
from nesyc.checks.check_lineage import check_lineage
from nesyc.checks.check_names import check_names
from nesyc.checks.check_prices import check_prices
from nesyc.checks.check_retrieves import check_retrieves
from nesyc.checks.check_rules import check_facts, check_rules
from nesyc.checks.check_schema import check_schema
from nesyc.checks.check_stages import check_stages
from nesyc.checks.check_tasks import check_tasks
from nesyc.checks.check_tests import check_tests
from nesyc.checks.check_use import check_answers, check_evaluates
from nesyc.checks.check_values import check_values
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

CHECKS: tuple[Callable[[Tables], Iterable[Diagnostic]], ...] = (
    check_names,
    check_values,
    check_schema,
    check_rules,
    check_facts,
    check_datasets,
    check_tasks,
    check_retrieves,
    check_stages,
    check_lineage,
    check_answers,
    check_evaluates,
    check_prices,
    check_tests,
)


# A method's argument stands in many stages, a wrong name may serve many purposes: its place is named once.
ONCE = frozenset({"E0201", "E0603", "E0702"})


def run_checks(tables: Tables) -> tuple[Diagnostic, ...]:
    """Everything the passes find, less the warnings that the source allows."""
    allowed = {allow.code.text for allow in tables.symbols.allows if allow.reason.value.strip()}
    found = [problem for check in CHECKS for problem in check(tables)]
    kept = [problem for problem in found if problem.severity == "error" or problem.code not in allowed]
    return (*_once(kept), *_check_allows(tables.symbols.allows))


def _once(problems: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """One diagnostic for a name or an argument that several declarations stumble over at one place."""
    seen: set[tuple[str, Span]] = set()
    for problem in problems:
        place = (problem.code, problem.span)
        if problem.code not in ONCE or place not in seen:
            yield problem
        seen.add(place)


def _check_allows(allows: Iterable[ast.Allow]) -> Iterator[Diagnostic]:
    for allow in allows:
        if not allow.code.text.startswith("W"):
            message = f"`{allow.code.text}` is an error, only warnings can be allowed"
            yield Diagnostic("E0308", message, allow.code.span, "not a warning")
        elif not allow.reason.value.strip():
            yield Diagnostic("E0308", "`allow` gives a reason", allow.reason.span, "empty")
