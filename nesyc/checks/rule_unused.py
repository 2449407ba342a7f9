"""W0401: variables used once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import body_variables, literal_variables, same_name
from nesyc.checks.types import Type
from nesyc.diagnostics import Diagnostic, Edit, Help, near_names
from nesyc.syntax import nodes as ast


def check_used_once(
    scope: RuleScope,
    head: ast.Atom | None,
    body: tuple[ast.Literal, ...],
    types: Mapping[str, Type],
    reported: set[str],
) -> Iterator[Diagnostic]:
    """W0401, for variables that `reported` does not hold already; `types` are those of the rule's variables."""
    names = same_name([*(literal_variables(head) if head else ()), *body_variables(body)])
    for name, places in names.items():
        if len(places) == 1 and not name.startswith("_") and name not in reported:
            yield Diagnostic(
                "W0401",
                f"variable `{name}` is used once",
                places[0].span,
                label="stands nowhere else",
                notes=("a slip of the pen in a name looks like this",),
                help=_help(name, places[0], _constants(scope, types.get(name)), names),
            )


def _help(name: str, place: ast.Name, constants: tuple[str, ...], variables: Mapping[str, object]) -> Help:
    """What may have been meant: an enum's constant without its dot, another variable, or any value."""
    if name in constants:
        return Help(f"a constant has a dot; did you mean `.{name}`?", (Edit(place.span, f".{name}"),))
    near = near_names(name, variables) if len(name) > 2 else ()
    if near:
        meant = " or ".join(f"`{one}`" for one in near)
        return Help(f"did you mean {meant}? (`_` where any value will do)", (Edit(place.span, near[0]),))
    return Help("write `_` where any value will do", (Edit(place.span, "_"),))


def _constants(scope: RuleScope, type_: Type | None) -> tuple[str, ...]:
    if type_ is None or type_.enum is None or type_.enum not in scope.enums:
        return ()
    return tuple(scope.enums[type_.enum].constants)
