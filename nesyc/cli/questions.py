"""Queries and facts as people type them, read against a checked spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nesyc.cli.errors import CliError, TextErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nesyc.diagnostics import Diagnostic
    from nesyc.ir import nodes


def compiled_query(checked: nodes.Spec, declared: nodes.Kb, text: str) -> dict[str, Any]:
    """A conjunction of literals as the runtime runs it; raises `TextErrors` where it has mistakes."""
    from nesyc.emit.sql import emit_query
    from nesyc.ir.query import lower_query

    lowered = lower_query(checked, text, declared.name)
    refuse(text, "<query>", lowered.diagnostics)
    compiled: dict[str, Any] = emit_query(declared, lowered.literals, lowered.columns).to_json()
    return compiled


def ground(checked: nodes.Spec, declared: nodes.Kb, text: str) -> tuple[str, tuple[Any, ...]]:
    """The relation and values of a fact; raises `TextErrors` for mistakes, `CliError` where it is many facts."""
    from nesyc.ir.query import AnyValue, lower_fact

    lowered = lower_fact(checked, text, declared.name)
    refuse(text, "<fact>", lowered.diagnostics)
    if any(isinstance(value, AnyValue) for value in lowered.values):
        raise CliError(
            f"`{text}` stands for many facts: `_` is any value", f"ask which hold:  nesyc query '{text}'"
        )
    return lowered.relation, lowered.values


def refuse(text: str, name: str, diagnostics: Sequence[Diagnostic]) -> None:
    """Raises `TextErrors` where there are diagnostics; `name` is what stands for a file in their places."""
    from nesyc.diagnostics import SourceMap

    if diagnostics:
        raise TextErrors(diagnostics, SourceMap({name: text}))
