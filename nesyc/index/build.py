"""Builds the index of a spec from its tables; a pure function of them."""

from __future__ import annotations

from nesyc.checks.signatures import BLOCKS
from nesyc.checks.tables import Tables
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.span import Span
from nesyc.index.collect import Collector
from nesyc.index.knowledge import index_kb
from nesyc.index.model import Index, Link, SymbolId
from nesyc.index.recorder import Recorder
from nesyc.index.stages import index_method, index_pipeline
from nesyc.index.tasks import index_dataset, index_task
from nesyc.index.use import index_answer, index_evaluate, index_retrieve, index_test
from nesyc.parsing.paths import SHIPPED, locate, shipped_specs
from nesyc.syntax import nodes as ast


def build_index(tables: Tables) -> Index:
    """Every name of the spec and its includes; what names nothing is left out. Works on specs with errors."""
    to = Collector(tables)
    uses: list[tuple[SymbolId, Span]] = []
    recorder = Recorder(tables.symbols, tables.paths, tables.params, uses=uses, built_ins=to.built_ins)
    for file in tables.loaded.files:
        if file.fragment_of is not None and file.fragment_of.text in tables.symbols.kbs:
            to.use(SymbolId("kb", file.fragment_of.text), file.fragment_of.span)
        for declaration in file.declarations:
            _declaration(to, recorder, declaration)
        _links(to, file)
    for kb in tables.symbols.kbs.values():
        recorder.block(BLOCKS["kb"], kb.node.name, kb.settings)
        index_kb(to, recorder, kb)
    for symbol, span in uses:
        to.use(symbol, span)
    return to.finish()


def _declaration(to: Collector, recorder: Recorder, node: ast.Declaration) -> None:
    kind = KINDS.get(type(node))
    if kind is not None:
        assert not isinstance(node, (ast.Answer, ast.Test, ast.Include, ast.Allow))
        to.define(SymbolId(kind, node.name.text), node.name, node)
    recorder.stages = {}
    if isinstance(node, ast.Evaluate):  # its settings may name the stages of the evaluated pipeline
        index_evaluate(to, recorder, node)
    _settings(recorder, node)
    match node:
        case ast.Param():
            to.type_ref(node.type)
            if isinstance(node.value, ast.EnumConstant):
                to.constant(node.type.name.text, node.value)
            elif node.value is not None:
                recorder.constant(node.value, "", "")
        case ast.Enum():
            for constant in node.constants:
                to.define(SymbolId("constant", constant.text, node.name.text), constant, constant)
        case ast.Dataset():
            index_dataset(to, recorder, node)
        case ast.Task() if to.tables.symbols.tasks.get(node.name.text) is node:
            index_task(to, recorder, to.tables.tasks[node.name.text])
        case ast.Retrieve() if to.tables.symbols.retrieves.get(node.name.text) is node:
            index_retrieve(to, node)
        case ast.Method():
            index_method(to, recorder, node)
        case ast.Pipeline():
            index_pipeline(to, recorder, node)
        case ast.Answer():
            index_answer(to, recorder, node)
        case ast.Test():
            index_test(to, recorder, node)
        case _:
            return


KINDS = {
    ast.Param: "param", ast.Enum: "enum", ast.Teacher: "teacher", ast.Student: "student",
    ast.Embedder: "embedder", ast.Dataset: "dataset", ast.Task: "task", ast.Kb: "kb",
    ast.Retrieve: "retrieve", ast.Method: "method", ast.Pipeline: "pipeline", ast.Evaluate: "evaluate",
}  # fmt: skip


def _settings(recorder: Recorder, node: ast.Declaration) -> None:
    """The settings of a block; those of a KB come with its fragments' later."""
    match node:
        case ast.Teacher() | ast.Student() | ast.Embedder() | ast.Dataset() | ast.Task() | ast.Retrieve():
            recorder.block(BLOCKS[KINDS[type(node)]], node.name, node.settings)
        case ast.Answer():
            recorder.block(BLOCKS["answer"], node.task, node.settings)
        case ast.Evaluate():
            settings = tuple(item for item in node.items if isinstance(item, ast.Setting))
            recorder.block(BLOCKS["evaluate"], node.name, settings)
        case _:
            return


def _links(to: Collector, file: ast.File) -> None:
    project = to.tables.loaded.project
    roots = {**project.roots, SHIPPED: shipped_specs()}
    items: list[object] = [*file.declarations, *file.fragment_items]
    items += [item for kb in file.declarations if isinstance(kb, ast.Kb) for item in kb.items]
    for item in items:
        if isinstance(item, ast.Include):
            found = locate(item.path, project.root, roots)
            if not isinstance(found, Diagnostic):
                to.links.append(Link(item.path.span, found[0]))
