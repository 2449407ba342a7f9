"""Resolve what stands as a value: a block's settings or a call's arguments against their signature.

The result is a `Bound` of plain values. What is wrong becomes a diagnostic and the value `POISON`,
so that nothing built on it is reported again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.kinds import (
    POISON,
    REQUIRED,
    AnyOf,
    Bound,
    CallOf,
    Choice,
    EnvName,
    Examples,
    FilePath,
    Kind,
    ListOf,
    Located,
    Names,
    Options,
    Parameter,
    Raw,
    Ref,
    Scalar,
    Signature,
    Symbol,
    Target,
    Word,
)
from nesyc.checks.messages import article, did_you_mean, duplicate, one_of, type_mismatch, unknown_name
from nesyc.checks.paths import Paths
from nesyc.checks.references import dotted, find_symbol, unknown_reference
from nesyc.checks.signatures import CALLS, FUNCTIONS
from nesyc.checks.symbols import Symbols
from nesyc.checks.targets import is_target
from nesyc.checks.value_words import accepts, describe, example, fits, has_form, noun, wanted_kind
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class Resolver:
    """Resolves values where `constants` are known and, inside a pipeline, its stages by short name.

    `placeholders` are the parameters of a method whose body is checked by itself: name to kind.
    `outer` is the call of a method: what is written there does not see the stages of the method.
    Diagnostics gather in `problems`, in the order found.
    """

    symbols: Symbols
    paths: Paths
    constants: Mapping[str, Constant] = field(default_factory=dict)
    stages: Mapping[str, Symbol] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)
    outer: Span | None = None

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
                values[key] = self.value(parameter.kind, setting.value, f"`{key}`")
        for parameter in signature.parameters:
            if parameter.name not in values and self._default(parameter, values):
                self.problems.append(
                    Diagnostic(
                        "E0105",
                        f"{signature.name} `{name.text}` has no `{parameter.name}`",
                        name.span,
                        label=f"`{parameter.name} = ...` is missing",
                        help=Help(f"add `{parameter.name} = {example(parameter.kind)}`"),
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
        # A method's nullable parameter left out arrives as null: as if the argument were not written.
        if isinstance(value, ast.Null) and parameter is not None and parameter.default is not REQUIRED:
            return parameter.default
        return self.value(kind, value, what, in_stage)

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
            case Examples():
                return self._examples(expr, what)
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

    def _wrong(self, expr: ast.Expr, wanted: str, code: str = "E0308") -> Any:
        message = f"expected {wanted}, found {describe(expr)}"
        self.problems.append(Diagnostic(code, message, expr.span, label=f"this is {describe(expr)}"))
        return POISON

    def _placeholder(self, kind: Kind, expr: ast.Name) -> Any:
        """Inside a method's own body a parameter has a kind but no value."""
        given = self.placeholders[expr.text]
        if not accepts(kind, given):
            code = "E0702" if isinstance(kind, (Ref, Examples)) else "E0302"
            message = f"expected {wanted_kind(kind)}, the parameter `{expr.text}` is {article(given)}"
            self.problems.append(Diagnostic(code, message, expr.span, label=f"{article(given)}"))
        return POISON

    def _scalar(self, kind: Scalar, expr: ast.Expr, what: str) -> Any:
        if kind.env and isinstance(expr, ast.Call) and expr.function.text == "env":
            name = self.call(CALLS["env"], expr).values["name"]
            return POISON if name is POISON else EnvName(name)
        constant = self.constant(expr, what, kind.base)
        if constant is POISON:
            return POISON
        assert isinstance(constant, Constant)
        if not fits(constant.base, kind.base):
            found = f"{constant.base} `{constant.value}`" if isinstance(expr, ast.Name) else constant.base
            self.problems.append(type_mismatch(found, f"{kind.base} for {what}", expr.span, None))
            return POISON
        return self._in_range(kind, constant, what)

    def constant(self, expr: ast.Expr, what: str, base: str) -> Any:
        """The `Constant` that `expr` is, or `POISON`."""
        try:
            return fold(expr, self.constants)
        except BadArithmeticError as error:
            self.problems.append(Diagnostic("E0302", error.message, error.span, label="in this arithmetic"))
        except NotConstantError:
            if isinstance(expr, ast.Name):
                self.problems.append(self._not_a_constant(expr, base))
            else:
                self._wrong(expr, f"{base} for {what}", "E0302")
        return POISON

    def _not_a_constant(self, expr: ast.Name, base: str) -> Diagnostic:
        found = find_symbol(self.symbols, (expr.text,), None, self._stages_at(expr))
        if found is None:
            problem = unknown_name("param", expr.text, expr.span, self.constants)
            if base == "text" and problem.help is None:
                help_ = Help(f'quote it if it is text: `"{expr.text}"`', (Edit(expr.span, f'"{expr.text}"'),))
                return Diagnostic(problem.code, problem.message, problem.span, problem.label, (), (), help_)
            return problem
        return type_mismatch(
            article(found.kind), base, expr.span, found.span, f"`{expr.text}` is declared here"
        )

    def _in_range(self, kind: Scalar, constant: Constant, what: str) -> Any:
        value = constant.value
        if not constant.known:
            return POISON
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            limits = []
            if kind.minimum is not None and value < kind.minimum:
                limits.append(f"at least {kind.minimum:g}")
            if kind.above is not None and value <= kind.above:
                limits.append(f"above {kind.above:g}")
            if kind.maximum is not None and value > kind.maximum:
                limits.append(f"at most {kind.maximum:g}")
            if limits:
                message = f"{what} must be {' and '.join(limits)}, found {value:g}"
                self.problems.append(Diagnostic("E0308", message, constant.span, label="out of range"))
                return POISON
        return float(value) if kind.base in ("number", "usd") and isinstance(value, int) else value

    def _choice(self, kind: Choice, expr: ast.Expr, what: str) -> Any:
        if isinstance(expr, ast.EnumConstant):
            word = expr.name
        elif isinstance(expr, ast.Name):
            word = expr.text
            if not kind.bare and word in kind.words:
                help_ = Help(f"write `.{word}`", (Edit(expr.span, f".{word}"),))
                message = f"{what} takes a word with a dot"
                self.problems.append(Diagnostic("E0308", message, expr.span, label="no dot", help=help_))
                return POISON
        else:
            return self._wrong(expr, f"{one_of(f'`.{word}`' for word in kind.words)} for {what}")
        if word in kind.words:
            return word
        dot = "." if isinstance(expr, ast.EnumConstant) else ""
        self.problems.append(
            Diagnostic(
                "E0303",
                f"`{dot}{word}` is not a choice for {what}",
                expr.span,
                label="unknown word",
                notes=(f"it is one of {one_of(f'`{dot}{known}`' for known in kind.words)}",),
                help=did_you_mean(word, kind.words, expr.span, prefix=dot),
            )
        )
        return POISON

    def reference(self, kinds: tuple[str, ...], expr: ast.Expr, what: str, in_stage: bool = False) -> Any:
        """The `Symbol` of one of `kinds` that `expr` names, or `POISON`."""
        path = dotted(expr)
        if path is None:
            return self._wrong(expr, f"{one_of(article(kind) for kind in kinds)} for {what}", _code(in_stage))
        stages = self._stages_at(expr)
        found = find_symbol(self.symbols, path, kinds, stages)
        if found is None:
            self.problems.append(unknown_reference(self.symbols, expr, path, kinds, stages))
            return POISON
        if found.kind == "unknown":
            return POISON
        if found.kind not in kinds:
            wanted = one_of(article(kind) for kind in kinds)
            self.problems.append(
                Diagnostic(
                    _code(in_stage),
                    f"{what} takes {wanted}, `{'.'.join(path)}` is {noun(found.kind)}",
                    expr.span,
                    label=f"this is {noun(found.kind)}",
                    related=(Related(found.span, f"`{found.id}` is declared here"),),
                )
            )
            return POISON
        return found

    def _stages_at(self, expr: ast.Expr) -> Mapping[str, Symbol]:
        """The stages that `expr` sees by their short names."""
        outer, span = self.outer, expr.span
        written_outside = (
            outer is not None and span.file == outer.file and outer.start <= span.start < outer.end
        )
        return {} if written_outside else self.stages

    def _examples(self, expr: ast.Expr, what: str) -> Any:
        if isinstance(expr, ast.Name) and expr.text in self.placeholders:
            return self._placeholder(Examples(), expr)
        if isinstance(expr, ast.Binary) and expr.operator == "+":
            left, right = self._examples(expr.left, what), self._examples(expr.right, what)
            return POISON if POISON in (left, right) else tuple(dict.fromkeys((*left, *right)))
        found = self.reference(("examples", "errors", "split"), expr, what, in_stage=True)
        return POISON if found is POISON else (found,)

    def _names(self, expr: ast.Expr, what: str) -> Any:
        if isinstance(expr, (ast.TupleOf, ast.ListOf)):
            names = [item for item in expr.items if isinstance(item, ast.Name)]
            if len(names) == len(expr.items) and names:
                return tuple(names)
        elif isinstance(expr, ast.Name):
            return (expr,)
        return self._wrong(expr, f"names such as `(task, input)` for {what}")

    def _word(self, expr: ast.Expr, what: str) -> Any:
        if isinstance(expr, ast.Name):
            return expr
        if isinstance(expr, ast.Text):
            return ast.Name(expr.value, expr.span)
        return self._wrong(expr, f"a name for {what}")

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
            return self._wrong(expr, f"{wanted} for {what}")
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

    def _options(self, expr: ast.Expr, what: str) -> Any:
        if not isinstance(expr, ast.MapOf):
            return self._wrong(expr, f"options `{{ key = value }}` for {what}")
        values: dict[str, Any] = {}
        for entry in expr.entries:
            if isinstance(entry.value, (ast.EnumConstant, ast.Null)):
                values[entry.key.text] = (
                    entry.value.name if isinstance(entry.value, ast.EnumConstant) else None
                )
                continue
            constant = self.constant(entry.value, f"`{entry.key.text}`", "a plain value")
            values[entry.key.text] = constant if constant is POISON else constant.value
        return POISON if POISON in values.values() else values

    def _path(self, kind: FilePath, expr: ast.Expr, what: str) -> Any:
        text = self._scalar(Scalar("text"), expr, what)
        if text is POISON:
            return POISON
        found = self.paths.locate(text, expr.span, must_exist=kind.exists)
        if isinstance(found, Diagnostic):
            self.problems.append(found)
            return POISON
        assert isinstance(found, Located)
        return found

    def _target(self, expr: ast.Expr, what: str) -> Any:
        text = self._scalar(Scalar("text"), expr, what)
        if text is POISON or is_target(text):
            return text
        message = f"`{text}` does not name a function"
        help_ = Help('write `"module:function"`: the function in module.py beside the spec')
        self.problems.append(Diagnostic("E0308", message, expr.span, label="not module:function", help=help_))
        return POISON

    def _any_of(self, kind: AnyOf, expr: ast.Expr, what: str, in_stage: bool) -> Any:
        for option in kind.kinds:
            if has_form(option, expr, self.constants):
                return self.value(option, expr, what, in_stage)
        return self._wrong(expr, f"{one_of(wanted_kind(option) for option in kind.kinds)} for {what}")


def _code(in_stage: bool) -> str:
    return "E0702" if in_stage else "E0308"
