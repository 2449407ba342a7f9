"""The names in knowledge bases: relations, columns, rules, variables, constants."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import CallOf
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.scope import RuleScope
from nesyc.checks.signatures import FACT_LOADERS
from nesyc.checks.templates import holes
from nesyc.checks.types import UNKNOWN, Type
from nesyc.diagnostics.span import Span
from nesyc.index.collect import Collector
from nesyc.index.model import SymbolId
from nesyc.index.recorder import Recorder
from nesyc.syntax import nodes as ast


def index_kb(to: Collector, recorder: Recorder, kb: KbInfo) -> None:
    """Everything of a KB and its fragments."""
    for node in kb.nodes.values():
        _relation(to, recorder, kb, node)
    for facts in kb.facts:
        index_facts(to, recorder, kb, facts)
    own: tuple[ast.Rule | ast.Forbid, ...] = (*kb.rules, *kb.forbids)
    analysed = to.tables.rules[kb.name]
    infos = (*analysed.rules, *analysed.forbids)
    for rule, info in zip(own, infos, strict=True):
        to.define(SymbolId("rule", rule.name.text, kb.name), rule.name, rule)
        index_rule(to, kb, rule, info.types)
    for say in kb.says.values():
        use_relation(to, kb, say.relation)
        _holes(to, say.template, f"{kb.name}.{say.relation.text}", kb, say.relation.text)


def _relation(to: Collector, recorder: Recorder, kb: KbInfo, node: ast.Relation) -> None:
    to.define(SymbolId("relation", node.name.text, kb.name), node.name, node)
    owner = f"{kb.name}.{node.name.text}"
    known = {column.name.text for column in node.columns}
    for column in node.columns:
        to.define(SymbolId("column", column.name.text, owner), column.name, column)
        to.type_ref(column.type)
        if column.references is not None:
            use_relation(to, kb, column.references)
        if isinstance(column.value, ast.Call):
            recorder.value(CallOf(("embed",)), column.value, "")
            for argument in column.value.arguments[1:]:
                if isinstance(argument.value, ast.Name) and argument.value.text in known:
                    to.use(SymbolId("column", argument.value.text, owner), argument.value.span)
    for option in node.options:
        match option:
            case ast.ColumnsOption() | ast.UniqueOption():
                named: tuple[ast.Ident, ...] = option.columns
            case ast.NearestOption():
                named = (option.column,)
            case _:
                named = ()
        for name in named:
            if name.text in known:
                to.use(SymbolId("column", name.text, owner), name.span)


def use_relation(to: Collector, kb: KbInfo, name: ast.Ident) -> None:
    """A relation's name, where the KB has it."""
    if name.text in kb.nodes:
        to.use(SymbolId("relation", name.text, kb.name), name.span)


def _holes(to: Collector, template: ast.Text, owner: str, kb: KbInfo, relation: str) -> None:
    info = kb.scope.relations.get(relation)
    for name, span in holes(template, to.tables.loaded.texts.get(template.span.file, "")):
        to.holes.append((span, template))
        if info is not None and info.column(name) is not None:
            to.use(SymbolId("column", name, owner), span)


def index_facts(to: Collector, recorder: Recorder, kb: KbInfo, facts: ast.Facts) -> None:
    """A block of facts: its relation, and the constants of its rows by their columns."""
    use_relation(to, kb, facts.relation)
    if facts.source is not None:
        recorder.value(CallOf(tuple(f"facts.{name}" for name in FACT_LOADERS)), facts.source, "")
    for row in facts.rows:
        for place, value in enumerate(row.values):
            if isinstance(value, ast.EnumConstant):
                to.constant(kb.scope.column_type(facts.relation.text, place).enum, value)
            else:
                recorder.constant(value, "", "")
    _annotations(to, facts.annotations)


def index_rule(to: Collector, kb: KbInfo, rule: ast.Rule | ast.Forbid, types: Mapping[str, Type]) -> None:
    """A rule's or constraint's relations, variables and constants; its own name is the caller's."""
    walk = BodyWalk(to, kb, f"{rule.span.file}:{rule.name.span.start}", types)
    walk.literals(rule.body)
    if isinstance(rule, ast.Rule):
        walk.atom(rule.head)
    _annotations(to, rule.annotations)


def body_types(scope: RuleScope, body: tuple[ast.Literal, ...]) -> Mapping[str, Type]:
    """The types of a body's variables, as the checks learn them."""
    typing = RuleTypes(scope)
    typing.learn(body)
    return typing.types


def _annotations(to: Collector, annotations: tuple[ast.Annotation, ...]) -> None:
    """`@learned(by = big)` names a teacher."""
    teachers = to.tables.symbols.teachers
    for annotation in annotations:
        if annotation.name.text != "learned":
            continue
        for argument in annotation.arguments:
            name, value = argument.name, argument.value
            if (
                name is not None
                and name.text == "by"
                and isinstance(value, ast.Name)
                and value.text in teachers
            ):
                to.use(SymbolId("teacher", value.text), value.span)


class BodyWalk:
    """Goes over one body; variables belong to `owner`, the first place of each is where it is declared."""

    def __init__(self, to: Collector, kb: KbInfo, owner: str, types: Mapping[str, Type]) -> None:
        self.to, self.kb, self.owner, self.types = to, kb, owner, types
        self.seen: dict[str, SymbolId] = {}

    def literals(self, body: Iterable[ast.Literal]) -> None:
        for literal in body:
            self.literal(literal)

    def literal(self, literal: ast.Literal) -> None:
        match literal:
            case ast.Atom():
                self.atom(literal)
            case ast.Not():
                self.atom(literal.atom)
            case ast.Or():
                self.literals(literal.branches)
            case ast.Comparison():
                self.term(literal.left, self._type(literal.right))
                self.term(literal.right, self._type(literal.left))

    def atom(self, atom: ast.Atom) -> None:
        use_relation(self.to, self.kb, atom.relation)
        for place, argument in enumerate(atom.arguments):
            self.term(argument, self.kb.scope.column_type(atom.relation.text, place))

    def _type(self, expr: ast.Expr) -> Type:
        return self.types.get(expr.text, UNKNOWN) if isinstance(expr, ast.Name) else UNKNOWN

    def term(self, expr: ast.Expr, type_: Type) -> None:
        match expr:
            case ast.Name():
                self._variable(expr.text, expr.span)
            case ast.EnumConstant():
                self.to.constant(type_.enum, expr)
            case ast.Call():
                for argument in expr.arguments:
                    self.term(argument.value, UNKNOWN)
            case ast.Unary():
                self.term(expr.operand, type_)
            case ast.Binary():
                self.term(expr.left, type_)
                self.term(expr.right, type_)
            case ast.Aggregate():
                self.literals(expr.body)
                self.term(expr.term, UNKNOWN)
            case _:
                return

    def _variable(self, name: str, span: Span) -> None:
        known = self.seen.get(name)
        if known is not None:
            self.to.use(known, span)
            return
        symbol = self.seen[name] = SymbolId("variable", name, self.owner)
        self.to.define(symbol, ast.Ident(name, span), self.types.get(name, UNKNOWN))
