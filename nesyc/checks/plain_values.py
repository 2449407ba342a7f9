"""Values that have no arguments of their own: constants, words, names, paths, references."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.kinds import (
    POISON,
    Choice,
    FilePath,
    Located,
    Scalar,
    Symbol,
)
from nesyc.checks.messages import article, did_you_mean, one_of, type_mismatch, unknown_name
from nesyc.checks.paths import Paths
from nesyc.checks.references import dotted, find_symbol, unknown_reference
from nesyc.checks.symbols import Symbols
from nesyc.checks.targets import is_target
from nesyc.checks.types import fits_integer
from nesyc.checks.value_words import describe, fits, noun
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class PlainValues:
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

    def _scalar(self, kind: Scalar, expr: ast.Expr, what: str) -> Any:
        constant = self.constant(expr, what, kind.base)
        if constant is POISON:
            return POISON
        assert isinstance(constant, Constant)
        if not fits(constant.base, kind.base):
            found = f"{constant.base} `{constant.value}`" if isinstance(expr, ast.Name) else constant.base
            self.problems.append(type_mismatch(found, f"{kind.base} for {what}", expr.span, None))
            return POISON
        return self._in_range(kind, constant, what, self._from(expr))

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
                return replace(problem, notes=(), help=help_)
            return problem
        return type_mismatch(
            article(found.kind), base, expr.span, found.span, f"`{expr.text}` is declared here"
        )

    def _from(self, expr: ast.Expr) -> tuple[Related, ...]:
        """Where the value of a param stands that is used by its name."""
        if not isinstance(expr, ast.Name) or expr.text not in self.constants:
            return ()
        constant = self.constants[expr.text]
        value = "null" if constant.value is None else constant.value
        return (Related(constant.span, f"`{expr.text}` is {value} from here"),)

    def _in_range(self, kind: Scalar, constant: Constant, what: str, related: tuple[Related, ...]) -> Any:
        value = constant.value
        if not constant.known:
            return POISON
        if value is None or (kind.base == "int" and not fits_integer(value)):
            message = f"{what} has no value here" if value is None else "an int has at most 64 bits"
            label = "null" if value is None else "too large"
            self.problems.append(Diagnostic("E0302", message, constant.span, label, related))
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
                self.problems.append(Diagnostic("E0308", message, constant.span, "out of range", related))
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

    def reference(self, kinds: tuple[str, ...], expr: ast.Expr, what: str, in_stage: bool = False) -> Any:
        """The `Symbol` of one of `kinds` that `expr` names, or `POISON`."""
        path = dotted(expr)
        if in_stage and isinstance(expr, ast.Binary) and expr.operator == "+":
            return self._no_union(kinds, expr, what)
        if path is None:
            return self._wrong(expr, f"{one_of(noun(kind) for kind in kinds)} for {what}", _code(in_stage))
        stages = self._stages_at(expr)
        found = find_symbol(self.symbols, path, kinds, stages)
        if found is None:
            self.problems.append(unknown_reference(self.symbols, expr, path, kinds, stages))
            return POISON
        if found.kind == "unknown":
            return POISON
        if found.kind not in kinds:
            wanted = one_of(noun(kind) for kind in kinds)
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

    def _no_union(self, kinds: tuple[str, ...], expr: ast.Binary, what: str) -> Any:
        wanted = one_of(noun(kind) for kind in kinds)
        help_ = Help(
            "`+` unites what stages give, where `finetune`, `mine_errors`, `extract`, `induce` or `validate` reads it"
        )
        message = f"{what} takes {wanted}, not a union"
        self.problems.append(Diagnostic("E0702", message, expr.span, "a union", help=help_))
        return POISON

    def _stages_at(self, expr: ast.Expr) -> Mapping[str, Symbol]:
        """The stages that `expr` sees by their short names."""
        outer, span = self.outer, expr.span
        written_outside = (
            outer is not None and span.file == outer.file and outer.start <= span.start < outer.end
        )
        return {} if written_outside else self.stages

    def _wrong(self, expr: ast.Expr, wanted: str, code: str = "E0308", help: Help | None = None) -> Any:
        message = f"expected {wanted}, found {describe(expr)}"
        label = f"this is {describe(expr)}"
        self.problems.append(Diagnostic(code, message, expr.span, label=label, help=help))
        return POISON


def _code(in_stage: bool) -> str:
    return "E0702" if in_stage else "E0308"
