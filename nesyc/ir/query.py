"""Queries and facts typed on a command line, checked and lowered against a compiled spec.

They need a `nodes.Spec` only, no source: the scope of names is rebuilt from its IR. A quoted string stands for
an enum constant there (`"father"` for `.father`), as values in the contracts have no dot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.checks.fact_values import fact_value
from nesyc.checks.rule_safety import bound_by
from nesyc.checks.rule_table import analyse_body
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.scope import ColumnInfo, EnumInfo, RelationInfo, RuleScope
from nesyc.checks.terms import body_variables
from nesyc.checks.types import Type
from nesyc.diagnostics import Diagnostic, Help, SourceMap
from nesyc.diagnostics.span import Span
from nesyc.ir import nodes
from nesyc.ir.context import one_line
from nesyc.ir.lower_rules import BodyLowering
from nesyc.parsing import parse_fact, parse_query
from nesyc.syntax import nodes as ast

QUERY, FACT = "<query>", "<fact>"


class AnyValue:
    """`_` in a fact: any value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "ANY"


ANY = AnyValue()


@dataclass(frozen=True, slots=True)
class LoweredQuery:
    """`columns` are the named variables in order; empty `literals` and `columns` where there are errors."""

    literals: tuple[nodes.BodyLiteral, ...]
    columns: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class LoweredFact:
    """`values` in column order, `ANY` for `_`; `relation` is "" where there are errors."""

    relation: str
    values: tuple[nodes.Scalar | AnyValue, ...]
    diagnostics: tuple[Diagnostic, ...]


def lower_query(spec: nodes.Spec, text: str, kb: str | None = None) -> LoweredQuery:
    """Parse, check and lower literals separated by commas. Spans of diagnostics lie in `<query>`.

    `kb` may be None where the spec has one KB. Raises `KeyError` for a KB the spec does not have.
    """
    parsed = parse_query(text, QUERY)
    if parsed.diagnostics:
        return LoweredQuery((), (), parsed.diagnostics)
    scope = query_scope(spec, find_kb(spec, kb))
    sources = SourceMap({QUERY: text})
    info = analyse_body(scope, None, parsed.literals, lambda span: text[span.start : span.end])
    if info.problems:
        return LoweredQuery((), (), info.problems)
    lowering = BodyLowering(
        scope, info.types, lambda span: _at(sources, span), lambda span: one_line(text[span.start : span.end])
    )
    return LoweredQuery(lowering.body(parsed.literals), _columns(parsed.literals), ())


def lower_fact(spec: nodes.Spec, text: str, kb: str | None = None) -> LoweredFact:
    """Parse, check and lower one fact, `_` allowed. Spans of diagnostics lie in `<fact>`."""
    parsed = parse_fact(text, FACT)
    atom = parsed.atom
    if atom is None:
        return LoweredFact("", (), parsed.diagnostics)
    scope = query_scope(spec, find_kb(spec, kb))
    typing = RuleTypes(scope)
    typing.check_atom(atom)
    problems = list(typing.problems)
    values: list[nodes.Scalar | AnyValue] = []
    if not problems:
        columns = scope.relations[atom.relation.text].columns if atom.relation.text in scope.relations else ()
        if not columns:
            message = f"`{atom.relation.text}` is no relation"
            problems.append(Diagnostic("E0201", message, atom.relation.span, "not stored anywhere"))
        for argument, column in zip(atom.arguments, columns, strict=False):
            values.append(_fact_value(argument, column, scope, problems))
    if problems:
        return LoweredFact("", (), tuple(dict.fromkeys(problems)))
    return LoweredFact(atom.relation.text, tuple(values), ())


def _fact_value(
    argument: ast.Expr, column: ColumnInfo, scope: RuleScope, problems: list[Diagnostic]
) -> nodes.Scalar | AnyValue:
    if isinstance(argument, ast.Wildcard):
        return ANY
    if isinstance(argument, ast.Name):
        message = f"a fact has no variables, `{argument.text}` is one"
        help_ = Help(f'quote it if it is text: `"{argument.text}"`; write `_` for any value')
        problems.append(Diagnostic("E0302", message, argument.span, "a variable", help=help_))
        return ANY
    value: nodes.Scalar = fact_value(argument, column, scope, {}, problems)
    return value


def find_kb(spec: nodes.Spec, name: str | None) -> nodes.Kb:
    """The KB of that name, or the only one. Raises `KeyError` with the known names where there is none such."""
    if name is None and len(spec.kbs) == 1:
        return spec.kbs[0]
    for kb in spec.kbs:
        if kb.name == name:
            return kb
    known = ", ".join(kb.name for kb in spec.kbs) or "none"
    raise KeyError(f"the spec has no kb `{name}`; it has: {known}" if name else f"name a kb: {known}")


def query_scope(spec: nodes.Spec, kb: nodes.Kb) -> RuleScope:
    """What a query on `kb` may speak about."""
    enums: Mapping[str, EnumInfo] = {enum.name: EnumInfo(enum.name, enum.constants) for enum in spec.enums}
    relations = {relation.name: _relation(relation) for relation in kb.relations}
    return RuleScope(kb.name, relations, enums, text_enums=True)


def _relation(relation: nodes.Relation) -> RelationInfo:
    columns = tuple(
        ColumnInfo(
            column.name,
            Type(column.type.base, column.type.nullable, column.type.enum, column.type.size),
            references=column.references,
            computed=column.embed is not None,
        )
        for column in relation.columns
    )
    return RelationInfo(relation.name, relation.derived, columns, key=relation.key)


def _columns(literals: tuple[ast.Literal, ...]) -> tuple[str, ...]:
    """The variables a query answers with: those with values outside negation and aggregates."""
    bound = bound_by(literals)
    return tuple(dict.fromkeys(name.text for name in body_variables(literals) if name.text in bound))


def _at(sources: SourceMap, span: Span) -> nodes.Location:
    place = sources.place(span)
    return nodes.Location(span.file, place.line, place.col, place.end_line, place.end_col)
