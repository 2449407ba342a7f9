"""Resolve what stands as a value: a block's settings or a call's arguments against their signature.

The result is a `Bound` of plain values. What is wrong becomes a diagnostic and the value `POISON`,
so that nothing built on it is reported again.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nesyc.checks.kinds import (
    POISON,
    REQUIRED,
    AnyOf,
    Bound,
    CallOf,
    Choice,
    EnvName,
    FilePath,
    Kind,
    ListOf,
    Names,
    Options,
    Parameter,
    Raw,
    Ref,
    Scalar,
    Signature,
    Target,
    United,
    Word,
)
from nesyc.checks.messages import article, did_you_mean, duplicate, one_of, unknown_name
from nesyc.checks.methods import METHOD_KINDS, METHOD_SCALARS
from nesyc.checks.plain_values import PlainValues
from nesyc.checks.signatures import CALLS, FUNCTIONS
from nesyc.checks.value_words import accepts, example, has_form, wanted_kind
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


class Resolver(PlainValues):
    """Settings and arguments against signatures, and any value by its kind."""

    __slots__ = ()

    def block(self, signature: Signature, name: ast.Ident, settings: Iterable[ast.Setting]) -> Bound:
        """The settings of a block `signature.name name { ... }`."""
        values: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        for setting in settings:
            key = setting.key.text
            parameter = signature.find(key)
            if parameter is None:
                self._unknown_key(signature, setting.key, f"{article(signature.name)} has no key")
            elif key in spans:
                self.problems.append(duplicate("key", key, setting.key.span, spans[key]))
            else:
                spans[key] = setting.value.span
                values[key] = self._argument(parameter.kind, setting.value, f"`{key}`", parameter, False)
        for parameter in signature.parameters:
            if parameter.name not in values and self._default(parameter, values):
                self.problems.append(
                    Diagnostic(
                        "E0105",
                        f"{signature.name} `{name.text}` has no `{parameter.name}`",
                        name.span,
                        label=f"`{parameter.name} = ...` is missing",
                        help=Help(f"add `{parameter.name} = {example(parameter.kind)}`"),
                        names=frozenset((parameter.name,)),
                    )
                )
        return Bound(signature.name, name.span, values, spans)

    def call(self, signature: Signature, call: ast.Call, in_stage: bool = False) -> Bound:
        """The arguments of a call."""
        values: dict[str, Any] = {}
        spans: dict[str, Span] = {}
        rest: list[Any] = []
        extra: dict[str, Any] = {}
        place = 0
        for argument in call.arguments:
            if argument.name is None and place >= signature.positional:
                self._extra_positional(signature, argument, rest, in_stage)
                continue
            if argument.name is None:
                parameter: Parameter | None = signature.parameters[place]
                place += 1
            else:
                parameter = signature.find(argument.name.text)
                if parameter is None and signature.extra is None:
                    self._unknown_key(signature, argument.name, f"`{signature.name}` has no argument")
                    continue
            name = parameter.name if parameter else argument.name.text if argument.name else ""
            if name in spans:
                self._given_twice(name, argument.span, spans[name])
                continue
            spans[name] = argument.value.span
            kind = parameter.kind if parameter else signature.extra or Raw()
            into = values if parameter else extra
            into[name] = self._argument(kind, argument.value, f"`{name}`", parameter, in_stage)
        for parameter in signature.parameters:
            if parameter.name not in values and self._default(parameter, values):
                self._missing_argument(signature, parameter, call)
        return Bound(signature.name, call.span, values, spans, tuple(rest), extra)

    def _argument(
        self, kind: Kind, value: ast.Expr, what: str, parameter: Parameter | None, in_stage: bool
    ) -> Any:
        # What is null arrives as if it were not written: a nullable parameter of a method or a spec without a value.
        if parameter is not None and parameter.default is not REQUIRED and self._is_null(value):
            return parameter.default
        return self.value(kind, value, what, in_stage)

    def _is_null(self, expr: ast.Expr) -> bool:
        if isinstance(expr, ast.Name) and expr.text in self.constants:
            constant = self.constants[expr.text]
            return constant.known and constant.value is None
        return isinstance(expr, ast.Null)

    def _extra_positional(
        self, signature: Signature, argument: ast.Argument, rest: list[Any], in_stage: bool
    ) -> None:
        if signature.rest is not None:
            rest.append(
                self.value(signature.rest, argument.value, f"an argument of `{signature.name}`", in_stage)
            )
            return
        names = [parameter.name for parameter in signature.parameters]
        takes = f"it takes {one_of(f'`{name}`' for name in names)}" if names else "it takes no arguments"
        self.problems.append(
            Diagnostic(
                "E0308",
                f"`{signature.name}` has an argument too many",
                argument.span,
                label="not expected here",
                notes=(takes,),
                help=Help(f"give it by name: `{names[0]} = ...`") if names else None,
            )
        )

    def _given_twice(self, name: str, again: Span, first: Span) -> None:
        related = (Related(first, "first given here"),)
        message = f"argument `{name}` is given twice"
        self.problems.append(Diagnostic("E0308", message, again, label="given again", related=related))

    def _missing_argument(self, signature: Signature, parameter: Parameter, call: ast.Call) -> None:
        mended = f"{parameter.name} = {example(parameter.kind)}"
        self.problems.append(
            Diagnostic(
                "E0308",
                f"`{signature.name}` needs `{parameter.name}`",
                call.function.span,
                label=f"no `{parameter.name}`",
                help=Help(f"add `{mended}`"),
            )
        )

    def _default(self, parameter: Parameter, values: dict[str, Any]) -> bool:
        """Fill in the default; True where there is none."""
        missing = parameter.default is REQUIRED
        values[parameter.name] = POISON if missing else parameter.default
        return missing

    def _unknown_key(self, signature: Signature, key: ast.Ident, message: str) -> None:
        names = [parameter.name for parameter in signature.parameters]
        self.problems.append(
            Diagnostic(
                "E0103",
                f"{message} `{key.text}`",
                key.span,
                label="unknown key",
                notes=(f"it has {', '.join(f'`{name}`' for name in names)}",) if names else (),
                help=did_you_mean(key.text, names, key.span),
            )
        )

    # --- one value -----------------------------------------------------------------------------

    def value(self, kind: Kind, expr: ast.Expr, what: str, in_stage: bool = False) -> Any:
        """`expr` as a value of `kind`; `what` names the place in messages."""
        if isinstance(expr, ast.Name) and expr.text in self.placeholders:
            return self._placeholder(kind, expr)
        match kind:
            case Scalar():
                return self._scalar(kind, expr, what)
            case Choice():
                return self._choice(kind, expr, what)
            case Ref():
                return self.reference(kind.kinds, expr, what, in_stage)
            case United():
                return self._united(kind, expr, what)
            case ListOf():
                if not isinstance(expr, ast.ListOf):
                    return self._wrong(expr, f"a list `[...]` for {what}")
                items = tuple(
                    self.value(kind.item, item, f"an item of {what}", in_stage) for item in expr.items
                )
                return POISON if POISON in items else items
            case Names():
                return self._names(expr, what)
            case Word():
                return self._word(expr, what)
            case CallOf():
                return self._call_of(kind, expr, what)
            case Options():
                return self._options(expr, what)
            case FilePath():
                return self._path(kind, expr, what)
            case Target():
                return self._target(expr, what)
            case Raw():
                return expr
            case AnyOf():
                return self._any_of(kind, expr, what, in_stage)

    def _placeholder(self, kind: Kind, expr: ast.Name) -> Any:
        """Inside a method's own body a parameter has a kind but no value."""
        given = self.placeholders[expr.text]
        if given in (*METHOD_KINDS, *METHOD_SCALARS) and not accepts(kind, given):
            code = "E0702" if isinstance(kind, (Ref, United)) else "E0302"
            message = f"expected {wanted_kind(kind)}, the parameter `{expr.text}` is {article(given)}"
            self.problems.append(Diagnostic(code, message, expr.span, label=f"{article(given)}"))
        return POISON

    def _scalar(self, kind: Scalar, expr: ast.Expr, what: str) -> Any:
        if kind.env and isinstance(expr, ast.Call) and expr.function.text == "env":
            name = self.call(CALLS["env"], expr).values["name"]
            return POISON if name is POISON else EnvName(name)
        return super()._scalar(kind, expr, what)

    def _united(self, kind: United, expr: ast.Expr, what: str) -> Any:
        if isinstance(expr, ast.Name) and expr.text in self.placeholders:
            return self._placeholder(kind, expr)
        if isinstance(expr, ast.Binary) and expr.operator == "+":
            left, right = self._united(kind, expr.left, what), self._united(kind, expr.right, what)
            return POISON if POISON in (left, right) else tuple(dict.fromkeys((*left, *right)))
        found = self.reference(kind.kinds, expr, what, in_stage=True)
        return POISON if found is POISON else (found,)

    def _call_of(self, kind: CallOf, expr: ast.Expr, what: str) -> Any:
        by_name = {identity.rpartition(".")[2]: identity for identity in kind.functions}
        wanted = one_of(f"`{name}(...)`" for name in by_name)
        if not isinstance(expr, ast.Call):
            if isinstance(expr, ast.Name) and expr.text in by_name:
                help_ = Help(f"write `{expr.text}(...)`")
                message = f"`{expr.text}` is called with its arguments"
                self.problems.append(
                    Diagnostic("E0308", message, expr.span, label="no arguments", help=help_)
                )
                return POISON
            return self._wrong(expr, f"{wanted} for {what}", help=_as_call(tuple(by_name), expr))
        name = expr.function.text
        if name in by_name:
            return self.call(CALLS[by_name[name]], expr)
        if name in FUNCTIONS:
            message = f"{what} takes {wanted}, not `{name}(...)`"
            self.problems.append(
                Diagnostic("E0308", message, expr.function.span, label="another kind of call")
            )
        else:
            self.problems.append(
                unknown_name("function", name, expr.function.span, by_name, (f"{what} takes {wanted}",))
            )
        return POISON

    def _any_of(self, kind: AnyOf, expr: ast.Expr, what: str, in_stage: bool) -> Any:
        for option in kind.kinds:
            if has_form(option, expr, self.constants):
                return self.value(option, expr, what, in_stage)
        return self._wrong(expr, f"{one_of(wanted_kind(option) for option in kind.kinds)} for {what}")


def _as_call(names: tuple[str, ...], expr: ast.Expr) -> Help | None:
    """`{ rpm = 1 }` where `limits(rpm = 1)` is meant."""
    if not isinstance(expr, ast.MapOf) or len(names) != 1:
        return None
    file, start, end = expr.span.file, expr.span.start, expr.span.end
    edits = (Edit(Span(file, start, start + 1), f"{names[0]}("), Edit(Span(file, end - 1, end), ")"))
    return Help(f"write `{names[0]}(key = value)` instead of `{{ key = value }}`", edits)
