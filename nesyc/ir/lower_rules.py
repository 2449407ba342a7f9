"""Rules, constraints, queries: literals and terms with the types the checks inferred."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from nesyc.checks.function_types import FUNCTION_TYPES, arithmetic
from nesyc.checks.rule_safety import bound_by
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import aggregate_of, as_call, body_variables, is_known, is_test, other_side, variables
from nesyc.checks.types import BOOL, INT, NUMBER, NUMERIC, UNKNOWN, Type, literal_type
from nesyc.diagnostics.span import Span
from nesyc.ir import nodes
from nesyc.ir.context import lower_type
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class BodyLowering:
    """Lowers the literals of one body; `types` are its variables', `at` and `text` give places and sources."""

    scope: RuleScope
    types: Mapping[str, Type]
    at: Callable[[Span], nodes.Location]
    text: Callable[[Span], str]

    def body(
        self, literals: Iterable[ast.Literal], outside: Iterable[str] = ()
    ) -> tuple[nodes.BodyLiteral, ...]:
        """The literals of a body; `outside` are variables bound around it."""
        listed = tuple(literals)
        bound = bound_by(listed, outside)
        return tuple(self._literal(literal, bound) for literal in listed)

    def _literal(self, literal: ast.Literal, bound: set[str]) -> nodes.BodyLiteral:
        match literal:
            case ast.Atom():
                return self._test(literal, negated=False) if is_test(literal) else self.atom(literal)
            case ast.Not():
                if is_test(literal.atom):
                    return self._test(literal.atom, negated=True)
                return self.atom(literal.atom, negated=True, span=literal.span)
            case ast.Or():
                branches = tuple(self._literal(branch, bound) for branch in literal.branches)
                return nodes.OrLiteral(branches, self.at(literal.span), self.text(literal.span))
            case ast.Comparison():
                aggregate = aggregate_of(literal)
                if aggregate is not None:
                    return self._aggregate(literal, aggregate, bound)
                return self._comparison(literal)

    def atom(self, atom: ast.Atom, negated: bool = False, span: Span | None = None) -> nodes.AtomLiteral:
        """An atom; each constant takes the type of its column."""
        terms = tuple(
            self.term(argument, self.scope.column_type(atom.relation.text, place))
            for place, argument in enumerate(atom.arguments)
        )
        where = span or atom.span
        return nodes.AtomLiteral(atom.relation.text, terms, self.at(where), self.text(where), negated)

    def _test(self, atom: ast.Atom, negated: bool) -> nodes.KnownLiteral | nodes.CompareLiteral:
        where, text = self.at(atom.span), self.text(atom.span)
        text = f"not {text}" if negated else text
        if is_known(atom):
            variable = atom.arguments[0]
            assert isinstance(variable, ast.Name)
            return nodes.KnownLiteral(variable.text, where, text, negated)
        value = nodes.Const(not negated, nodes.Type("bool"))
        return nodes.CompareLiteral("==", self.term(as_call(atom), BOOL), value, where, text)

    def _comparison(self, literal: ast.Comparison) -> nodes.CompareLiteral:
        left_type, right_type = self._type(literal.left), self._type(literal.right)
        left = self.term(literal.left, _constant_type(literal.left, left_type, right_type))
        right = self.term(literal.right, _constant_type(literal.right, right_type, left_type))
        return nodes.CompareLiteral(
            literal.operator, left, right, self.at(literal.span), self.text(literal.span)
        )

    def _aggregate(
        self, literal: ast.Comparison, aggregate: ast.Aggregate, bound: set[str]
    ) -> nodes.AggregateLiteral:
        result = other_side(literal, aggregate)
        operator = literal.operator if aggregate is literal.right else _MIRRORED[literal.operator]
        names = dict.fromkeys(
            name.text for name in (*variables(aggregate.term), *body_variables(aggregate.body))
        )
        target = result.text if isinstance(result, ast.Name) else None
        groups = tuple(name for name in names if name in bound and name != target)
        type_ = INT if aggregate.function == "count" else self._type(aggregate.term) or UNKNOWN
        return nodes.AggregateLiteral(
            operator,
            self.term(result, NUMBER if aggregate.function == "avg" else type_),
            aggregate.function,
            self.term(aggregate.term, self._type(aggregate.term) or UNKNOWN),
            self.body(aggregate.body, groups),
            groups,
            self.at(literal.span),
            self.text(literal.span),
        )

    def term(self, expr: ast.Expr, wanted: Type) -> nodes.Term:
        """A term where a value of type `wanted` stands."""
        match expr:
            case ast.Name():
                return nodes.Var(expr.text, lower_type(self.types.get(expr.text, wanted)))
            case ast.Wildcard():
                return nodes.Var(None, lower_type(wanted))
            case ast.EnumConstant():
                return nodes.Const(expr.name, lower_type(wanted.required()))
            case ast.Text() | ast.Number() | ast.Bool() | ast.Null():
                return _constant(expr, wanted)
            case ast.Unary():
                if isinstance(expr.operand, ast.Number):
                    return _constant(ast.Number(-expr.operand.value, expr.span), wanted)
                type_ = self._type(expr) or UNKNOWN
                return nodes.Apply("neg", (self.term(expr.operand, type_),), lower_type(type_))
            case ast.Binary():
                left, right = self._type(expr.left) or wanted, self._type(expr.right) or wanted
                sides = (self.term(expr.left, left), self.term(expr.right, right))
                return nodes.Apply(expr.operator, sides, lower_type(arithmetic(expr.operator, left, right)))
            case ast.Call():
                result = FUNCTION_TYPES[expr.function.text][1]
                arguments = tuple(
                    self.term(item.value, self._type(item.value) or UNKNOWN) for item in expr.arguments
                )
                return nodes.Apply(expr.function.text, arguments, lower_type(result))
            case _:
                raise AssertionError(f"not a term: {type(expr).__name__}")

    def _type(self, expr: ast.Expr) -> Type | None:
        """The type of a term by itself; None for what takes that of its surroundings."""
        if isinstance(expr, (ast.EnumConstant, ast.Wildcard, ast.Null)):
            return None
        if isinstance(expr, ast.Name):
            return self.types.get(expr.text)
        found = literal_type(expr)
        return found or RuleTypes(self.scope, dict(self.types)).term(expr)


_MIRRORED = {"=": "=", "==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}


def _constant_type(expr: ast.Expr, own: Type | None, other: Type | None) -> Type:
    """Text against a date is a date, text against an enum its constant; numbers follow the other side."""
    if isinstance(expr, (ast.Text, ast.Number)) and other is not None and other.base != "unknown":
        return other
    return own or other or UNKNOWN


def _constant(expr: ast.Text | ast.Number | ast.Bool | ast.Null, wanted: Type) -> nodes.Const:
    if isinstance(expr, ast.Null):
        return nodes.Const(None, lower_type(wanted))
    own = literal_type(expr) or UNKNOWN
    value: nodes.Scalar = expr.value
    if isinstance(expr, ast.Number) and wanted.base in ("number", "usd") and isinstance(value, int):
        value = float(value)
    if isinstance(expr, ast.Text) and wanted.base == "enum":
        value = expr.value.removeprefix(".")
    keeps = wanted.base == own.base or (own.base in NUMERIC and wanted.base in NUMERIC - {"int"})
    fits = keeps or (isinstance(expr, ast.Text) and wanted.base in ("enum", "date", "json"))
    return nodes.Const(value, lower_type(wanted.required() if fits else own))
