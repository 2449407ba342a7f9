"""The side tables of a spec: every declaration by kind and name, KBs merged with their fragments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nesyc.checks.kb_symbols import KbInfo, build_kb
from nesyc.checks.kinds import Symbol
from nesyc.checks.messages import duplicate, unknown_name
from nesyc.checks.methods import Expanded, expand
from nesyc.checks.scope import EnumInfo
from nesyc.checks.signatures import WHICH_OUTPUT
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

D = TypeVar("D", ast.Param, ast.Enum, ast.Teacher, ast.Student, ast.Embedder, ast.Dataset, ast.Task, ast.Kb,
            ast.Retrieve, ast.Method, ast.Pipeline, ast.Evaluate)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Symbols:
    """`table[kind][id]` is what expressions can name; the other fields are the declarations themselves."""

    params: Mapping[str, ast.Param]
    enums: Mapping[str, EnumInfo]
    teachers: Mapping[str, ast.Teacher]
    students: Mapping[str, ast.Student]
    embedders: Mapping[str, ast.Embedder]
    datasets: Mapping[str, ast.Dataset]
    tasks: Mapping[str, ast.Task]
    kbs: Mapping[str, KbInfo]
    retrieves: Mapping[str, ast.Retrieve]
    methods: Mapping[str, ast.Method]
    pipelines: Mapping[str, ast.Pipeline]
    evaluates: Mapping[str, ast.Evaluate]
    answers: tuple[ast.Answer, ...]
    tests: tuple[ast.Test, ...]
    allows: tuple[ast.Allow, ...]
    expanded: Mapping[str, Expanded]
    table: Mapping[str, Mapping[str, Symbol]]
    problems: tuple[Diagnostic, ...]

    def stages_of(self, pipeline: str) -> Mapping[str, Symbol]:
        """The stages of a pipeline by their short names."""
        expanded = self.expanded.get(pipeline)
        if expanded is None:
            return {}
        found = {}
        for stage in expanded.stages:
            symbol = self.table["stage"].get(f"{pipeline}.{stage.name.text}")
            if symbol is not None:
                found[stage.name.text] = symbol
        return found


def build_symbols(files: Iterable[ast.File]) -> Symbols:
    """Tables of all declarations of `files`, the main file first; what stands twice goes to `problems`."""
    files = tuple(files)
    problems: list[Diagnostic] = []
    declarations = [declaration for file in files for declaration in file.declarations]

    def of(kind: str, node: type[D]) -> dict[str, D]:
        return _unique(kind, (item for item in declarations if isinstance(item, node)), problems)

    enums = {name: _enum(node, problems) for name, node in of("enum", ast.Enum).items()}
    kb_nodes = of("kb", ast.Kb)
    kbs = {name: build_kb(kb, _fragments(files, name), enums, problems) for name, kb in kb_nodes.items()}
    problems.extend(_lost_fragments(files, kbs))
    datasets, methods = of("dataset", ast.Dataset), of("method", ast.Method)
    pipelines = of("pipeline", ast.Pipeline)
    expanded = {name: expand(pipeline, methods, problems) for name, pipeline in pipelines.items()}
    teachers, students = of("teacher", ast.Teacher), of("student", ast.Student)
    embedders, tasks = of("embedder", ast.Embedder), of("task", ast.Task)
    retrieves, params = of("retrieve", ast.Retrieve), of("param", ast.Param)
    table = {
        "param": _symbols("param", params),
        "enum": {name: Symbol("enum", name, info.span) for name, info in enums.items() if info.span},
        "teacher": _symbols("teacher", teachers),
        "student": _symbols("student", students),
        "embedder": _symbols("embedder", embedders),
        "dataset": _symbols("dataset", datasets),
        "task": _symbols("task", tasks),
        "kb": _symbols("kb", kb_nodes),
        "retrieve": _symbols("retrieve", retrieves),
        "method": _symbols("method", methods),
        "pipeline": _symbols("pipeline", pipelines),
        "split": dict(_splits(datasets, problems)),
        "relation": dict(_relations(kbs)),
        "stage": dict(_stages(expanded, problems)),
    }
    return Symbols(
        params=params,
        enums=enums,
        teachers=teachers,
        students=students,
        embedders=embedders,
        datasets=datasets,
        tasks=tasks,
        kbs=kbs,
        retrieves=retrieves,
        methods=methods,
        pipelines=pipelines,
        evaluates=of("evaluate", ast.Evaluate),
        answers=tuple(item for item in declarations if isinstance(item, ast.Answer)),
        tests=tuple(item for item in declarations if isinstance(item, ast.Test)),
        allows=tuple(_allows(files)),
        expanded=expanded,
        table=table,
        problems=tuple(problems),
    )


def _unique(kind: str, nodes: Iterable[D], problems: list[Diagnostic]) -> dict[str, D]:
    found: dict[str, D] = {}
    for node in nodes:
        name = node.name.text
        if name in found:
            problems.append(duplicate(kind, name, node.name.span, found[name].name.span))
        found.setdefault(name, node)
    return found


def _symbols(kind: str, nodes: Mapping[str, D]) -> dict[str, Symbol]:
    return {name: Symbol(kind, name, node.name.span) for name, node in nodes.items()}


def _enum(node: ast.Enum, problems: list[Diagnostic]) -> EnumInfo:
    first: dict[str, Span] = {}
    for constant in node.constants:
        if constant.text in first:
            problems.append(duplicate("constant", f".{constant.text}", constant.span, first[constant.text]))
        first.setdefault(constant.text, constant.span)
    return EnumInfo(node.name.text, tuple(first), node.name.span)


def _fragments(files: tuple[ast.File, ...], kb: str) -> list[ast.File]:
    return [file for file in files if file.fragment_of is not None and file.fragment_of.text == kb]


def _lost_fragments(files: tuple[ast.File, ...], kbs: Mapping[str, KbInfo]) -> Iterator[Diagnostic]:
    for file in files:
        if file.fragment_of is not None and file.fragment_of.text not in kbs:
            yield unknown_name("kb", file.fragment_of.text, file.fragment_of.span, kbs)


def hash_split_of(dataset: ast.Dataset) -> ast.Call | None:
    """The call of `splits = hash_split(...)`, where the dataset has one."""
    for setting in dataset.settings:
        if setting.key.text == "splits" and isinstance(setting.value, ast.Call):
            return setting.value
    return None


def _splits(datasets: Mapping[str, ast.Dataset], problems: list[Diagnostic]) -> Iterator[tuple[str, Symbol]]:
    for dataset in datasets.values():
        names = [split.name for split in dataset.splits]
        call = hash_split_of(dataset)
        if call is not None:
            names += [
                argument.name
                for argument in call.arguments
                if argument.name is not None and argument.name.text not in ("source", "by", "limit")
            ]
        first: dict[str, Span] = {}
        for name in names:
            if name.text in first:
                problems.append(duplicate("split", name.text, name.span, first[name.text]))
                continue
            first[name.text] = name.span
            identity = f"{dataset.name.text}.{name.text}"
            yield identity, Symbol("split", identity, name.span)


def _relations(kbs: Mapping[str, KbInfo]) -> Iterator[tuple[str, Symbol]]:
    for kb in kbs.values():
        for name, node in kb.nodes.items():
            yield f"{kb.name}.{name}", Symbol("relation", f"{kb.name}.{name}", node.name.span)


def _stages(expanded: Mapping[str, Expanded], problems: list[Diagnostic]) -> Iterator[tuple[str, Symbol]]:
    for pipeline, found in expanded.items():
        first: dict[str, Span] = {}
        calls = {stage.name.text: stage.call for stage in found.stages}
        for stage in found.stages:
            name = stage.name.text
            if name in first:
                problems.append(duplicate("stage", name, stage.name.span, first[name]))
                continue
            first[name] = stage.name.span
            kind = output_kind(stage.call, calls)
            yield f"{pipeline}.{name}", Symbol(kind, f"{pipeline}.{name}", stage.name.span, is_stage=True)


def output_kind(call: ast.Call, calls: Mapping[str, ast.Call]) -> str:
    """What a stage gives; `validate` gives what it takes, `unknown` stands for an unknown function."""
    function = call.function.text
    if function == "validate":
        for argument in call.arguments:
            if argument.name is None or argument.name.text == "of":
                value = argument.value
                while isinstance(value, ast.Binary):  # a union is of one kind, which `check_stages` holds
                    value = value.left
                source = calls.get(value.text) if isinstance(value, ast.Name) else None
                rest = {name: other for name, other in calls.items() if other is not source}
                if source is not None and output_kind(source, rest) == "rules":
                    return "rules"
    return WHICH_OUTPUT.get(function, "unknown")


def _allows(files: tuple[ast.File, ...]) -> Iterator[ast.Allow]:
    for file in files:
        for item in (*file.declarations, *file.fragment_items):
            if isinstance(item, ast.Allow):
                yield item
            elif isinstance(item, ast.Kb):
                yield from (inner for inner in item.items if isinstance(inner, ast.Allow))
