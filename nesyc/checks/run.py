"""The passes in order, and which of their findings are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from nesyc.checks.accepted_rules import check_accepted_rules
from nesyc.checks.allowed import allowed_warnings, check_allows
from nesyc.checks.check_datasets import check_datasets
from nesyc.checks.check_fit import check_fit
from nesyc.checks.check_formats import check_formats
from nesyc.checks.check_lineage import check_lineage
from nesyc.checks.check_losses import check_losses
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
from nesyc.checks.check_warnings import check_warnings
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span

CHECKS: tuple[Callable[[Tables], Iterable[Diagnostic]], ...] = (
    check_names,
    check_values,
    check_schema,
    check_rules,
    check_accepted_rules,
    check_facts,
    check_datasets,
    check_tasks,
    check_retrieves,
    check_stages,
    check_losses,
    check_lineage,
    check_answers,
    check_evaluates,
    check_formats,
    check_fit,
    check_prices,
    check_tests,
    check_warnings,
)


# A method's argument stands in many stages, a wrong name may serve many purposes: its place is named once.
ONCE = frozenset({"E0201", "E0603", "E0702"})


def run_checks(tables: Tables) -> tuple[Diagnostic, ...]:
    """Everything the passes find, less the warnings that the source allows, at the places of now."""
    place = tables.loaded.place
    allowed = tuple(allowed_warnings(tables.loaded.files, place))
    found = tables.loaded.placed(problem for check in CHECKS for problem in check(tables))
    kept = [
        problem
        for problem in found
        if problem.severity == "error" or not any(one.covers(problem) for one in allowed)
    ]
    return (*_once(kept), *tables.loaded.placed(check_allows(tables.symbols.allows)))


def _once(problems: Iterable[Diagnostic]) -> Iterator[Diagnostic]:
    """One diagnostic for a name or an argument that several declarations stumble over at one place."""
    seen: set[tuple[str, Span]] = set()
    for problem in problems:
        place = (problem.code, problem.span)
        if problem.code not in ONCE or place not in seen:
            yield problem
        seen.add(place)
