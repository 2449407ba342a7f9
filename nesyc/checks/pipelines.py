"""The stages of all pipelines with their arguments resolved, and which stage reads which."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nesyc.checks.constants import Constant
from nesyc.checks.kinds import Bound, Symbol
from nesyc.checks.messages import unknown_name
from nesyc.checks.method_use import check_arguments, of_the_use
from nesyc.checks.methods import METHOD_SCALARS
from nesyc.checks.signatures import CALLS, FUNCTIONS, STAGES
from nesyc.checks.symbols import Symbols, output_kind
from nesyc.checks.values import Resolver
from nesyc.diagnostics import Diagnostic
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class StageInfo:
    """`reads` are the stages named by its arguments, `splits` the data; `bound` is None for an unknown stage."""

    id: str
    pipeline: str
    task: str
    node: ast.Stage
    kind: str
    bound: Bound | None

    def symbols(self, kinds: tuple[str, ...] | None = None) -> Iterator[tuple[str, Symbol]]:
        """(argument, symbol) of everything declared that the stage names."""
        if self.bound is None:
            return
        for name, value in self.bound.values.items():
            for symbol in value if isinstance(value, tuple) else (value,):
                if isinstance(symbol, Symbol) and (kinds is None or symbol.kind in kinds):
                    yield name, symbol

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(symbol.id for _, symbol in self.symbols() if symbol.is_stage))


def resolve_stages(symbols: Symbols, resolver: Resolver) -> dict[str, StageInfo]:
    """Every stage by id, in order. What a method's body gets wrong by itself is reported before (`check_method_bodies`)."""
    found: dict[str, StageInfo] = {}
    for name, pipeline in symbols.pipelines.items():
        expanded = symbols.expanded[name]
        scope = symbols.stages_of(name)
        quiet: list[Diagnostic] = []
        inner = Resolver(
            symbols, resolver.paths, resolver.constants, scope,
            problems=quiet if expanded.method else resolver.problems,
            outer=pipeline.call.span if pipeline.call else None,
        )  # fmt: skip
        for stage in expanded.stages:
            identity = f"{name}.{stage.name.text}"
            bound = _bind(stage, inner)
            kind = scope[stage.name.text].kind if stage.name.text in scope else "unknown"
            found.setdefault(identity, StageInfo(identity, name, pipeline.task.text, stage, kind, bound))
        if expanded.method is not None:
            arguments = list(check_arguments(expanded, resolver))
            reported = [(problem.code, problem.span) for problem in (*resolver.problems, *arguments)]
            resolver.problems += [*arguments, *of_the_use(pipeline, quiet, reported)]
    return found


def _bind(stage: ast.Stage, resolver: Resolver) -> Bound | None:
    name = stage.call.function.text
    if name in STAGES:
        return resolver.call(CALLS[name], stage.call, in_stage=True)
    span = stage.call.function.span
    if name in FUNCTIONS:
        message = f"`{name}(...)` is no stage"
        notes = (f"stages are {', '.join(STAGES)}",)
        resolver.problems.append(Diagnostic("E0308", message, span, label="not a stage", notes=notes))
    else:
        resolver.problems.append(unknown_name("stage function", name, span, STAGES))
    return None


def check_method_bodies(symbols: Symbols, resolver: Resolver) -> None:
    """Check each method by itself: its parameters have kinds, no values."""
    for method in symbols.methods.values():
        calls = {stage.name.text: stage.call for stage in method.stages}
        scope = {
            stage.name.text: Symbol(
                output_kind(stage.call, calls), stage.name.text, stage.name.span, is_stage=True
            )
            for stage in method.stages
        }
        placeholders = {parameter.name.text: parameter.type.name.text for parameter in method.params}
        constants = {
            **resolver.constants,
            **{
                parameter.name.text: _unknown_constant(parameter)
                for parameter in method.params
                if parameter.type.name.text in METHOD_SCALARS
            },
        }
        inner = Resolver(symbols, resolver.paths, constants, scope, placeholders, resolver.problems)
        for stage in method.stages:
            _bind(stage, inner)


def _unknown_constant(parameter: ast.MethodParam) -> Constant:
    return Constant(parameter.type.name.text, None, parameter.span, known=False)
