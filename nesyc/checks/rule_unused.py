"""W0401: variables used once."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.terms import body_variables, literal_variables, same_name
from nesyc.diagnostics import Diagnostic, Edit, Help
from nesyc.syntax import nodes as ast


def check_used_once(
    head: ast.Atom | None, body: tuple[ast.Literal, ...], reported: set[str]
) -> Iterator[Diagnostic]:
    """W0401, for variables that `reported` does not hold already."""
    names = [*(literal_variables(head) if head else ()), *body_variables(body)]
    for name, places in same_name(names).items():
        if len(places) == 1 and not name.startswith("_") and name not in reported:
            yield Diagnostic(
                "W0401",
                f"variable `{name}` is used once",
                places[0].span,
                label="stands nowhere else",
                notes=("a slip of the pen in a name looks like this",),
                help=Help("write `_` where any value will do", (Edit(places[0].span, "_"),)),
            )
