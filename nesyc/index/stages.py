"""The names in pipelines and methods: stages, parameters, and what stages take."""

from __future__ import annotations

from dataclasses import replace

from nesyc.checks.kinds import Symbol
from nesyc.checks.method_use import parameter_kind
from nesyc.checks.signatures import CALLS, STAGES
from nesyc.checks.symbols import output_kind
from nesyc.index.collect import Collector
from nesyc.index.model import SymbolId
from nesyc.index.recorder import Recorder
from nesyc.index.tasks import by_fields
from nesyc.syntax import nodes as ast


def index_pipeline(to: Collector, recorder: Recorder, node: ast.Pipeline) -> None:
    """A pipeline's task, and its stages or the method it uses."""
    name, symbols = node.name.text, to.tables.symbols
    if node.task.text in symbols.tasks:
        to.use(SymbolId("task", node.task.text), node.task.span)
    recorder.stages = symbols.stages_of(name)
    for stage in node.stages:
        to.define(SymbolId("stage", stage.name.text, name), stage.name, stage)
        _call(to, recorder, stage.call, node.task.text)
    if node.call is not None:
        _method_use(to, recorder, node.call)


def _call(to: Collector, recorder: Recorder, call: ast.Call, task: str = "") -> None:
    if call.function.text not in STAGES:
        return
    recorder.call(CALLS[call.function.text], call, in_stage=True)
    info = to.tables.tasks.get(task)
    for argument in call.arguments:
        if info is not None and argument.name is not None and argument.name.text == "by":
            by_fields(to, info.dataset, set(info.rows), argument.value)


def _method_use(to: Collector, recorder: Recorder, call: ast.Call) -> None:
    method = to.tables.symbols.methods.get(call.function.text)
    if method is None:
        return
    to.use(SymbolId("method", method.name.text), call.function.span)
    kinds = {parameter.name.text: parameter.type.name.text for parameter in method.params}
    for argument in call.arguments:
        if argument.name is None or argument.name.text not in kinds:
            continue
        to.use(SymbolId("parameter", argument.name.text, method.name.text), argument.name.span)
        kind = kinds[argument.name.text]
        recorder.value(parameter_kind(kind), argument.value, "", in_stage=True)


def index_method(to: Collector, recorder: Recorder, node: ast.Method) -> None:
    """A method's parameters and stages, walked by itself."""
    name = node.name.text
    calls = {stage.name.text: stage.call for stage in node.stages}
    inner = replace(
        recorder,
        method=name,
        placeholders={parameter.name.text: parameter.type.name.text for parameter in node.params},
        stages={
            stage.name.text: Symbol(
                output_kind(stage.call, calls), stage.name.text, stage.name.span, is_stage=True
            )
            for stage in node.stages
        },
    )
    for parameter in node.params:
        to.define(SymbolId("parameter", parameter.name.text, name), parameter.name, parameter)
        if parameter.default is not None:
            inner.constant(parameter.default, "", "")
    for stage in node.stages:
        to.define(SymbolId("stage", stage.name.text, f"method {name}"), stage.name, stage)
        _call(to, inner, stage.call)
