"""Types of a rule's variables: each gets one from the columns it stands in and from what is computed of others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from nesyc.checks.function_types import FUNCTION_TYPES, arithmetic
from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import aggregate_of, is_test, other_side
from nesyc.checks.types import (
    INT,
    NUMBER,
    NUMERIC,
    ORDERED,
    UNKNOWN,
    Type,
    compatible,
    join,
    literal_type,
)
from nesyc.diagnostics import Diagnostic, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class VariableTypes:
    """Types of a rule's variables, learned literal by literal; `seen` is where each was first given one."""

    scope: RuleScope
    types: dict[str, Type] = field(default_factory=dict)
    seen: dict[str, Span] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def learn(self, body: Iterable[ast.Literal]) -> None:
        """Types of all variables: first what atoms say, then what `=` and aggregates compute from them."""
        literals = tuple(body)
        self._learn_atoms(literals)
        self._learn_computed(literals)

    def _learn_atoms(self, literals: Iterable[ast.Literal]) -> None:
        for literal in literals:
            match literal:
                case ast.Atom():
                    if not is_test(literal):
                        self._learn_atom(literal)
                case ast.Or():
                    self._learn_atoms(literal.branches)
                case ast.Comparison():
                    aggregate = aggregate_of(literal)
                    if aggregate is not None:
                        self._learn_atoms(aggregate.body)
                case ast.Not():
                    continue

    def _learn_atom(self, atom: ast.Atom) -> None:
        for place, argument in enumerate(atom.arguments):
            if not isinstance(argument, ast.Name):
                continue
            name, column = argument.text, self.scope.column_type(atom.relation.text, place)
            known = self.types.get(name)
            if known is None:
                self.types[name] = column
                self.seen[name] = argument.span
            elif compatible(known, column):
                self.types[name] = join(known, column)
            else:
                self._two_types(argument, known, column)

    def _two_types(self, name: ast.Name, known: Type, column: Type) -> None:
        self.problems.append(
            Diagnostic(
                "E0302",
                f"variable `{name.text}` is {known} in one place and {column} in another",
                name.span,
                label=f"{column} here",
                related=(Related(self.seen[name.text], f"{known} here"),),
            )
        )

    def _learn_computed(self, literals: tuple[ast.Literal, ...]) -> None:
        # `=` may stand before what it computes from: repeat while it teaches something new.
        pending = [literal for literal in _comparisons(literals) if literal.operator == "="]
        while pending:
            rest = [literal for literal in pending if not self._learn_equation(literal)]
            if len(rest) == len(pending):
                return
            pending = rest

    def _learn_equation(self, literal: ast.Comparison) -> bool:
        """Whether the equation gave a variable a type (or has none to give)."""
        aggregate = aggregate_of(literal)
        if aggregate is not None:
            self._learn_computed(aggregate.body)
            target = other_side(literal, aggregate)
            return self._assign(target, self._aggregate_type(aggregate))
        left, right = self._quiet(literal.left), self._quiet(literal.right)
        if left is None and right is not None:
            return self._assign(literal.left, right)
        if right is None and left is not None:
            return self._assign(literal.right, left)
        return left is not None

    def _assign(self, target: ast.Expr, type_: Type | None) -> bool:
        if type_ is None:
            return False
        if isinstance(target, ast.Name) and target.text not in self.types:
            self.types[target.text] = type_
            self.seen[target.text] = target.span
        return True

    def _quiet(self, expr: ast.Expr) -> Type | None:
        """The type of a term, None while one of its variables has none."""
        match expr:
            case ast.Name():
                return self.types.get(expr.text)
            case ast.Call():
                return FUNCTION_TYPES.get(expr.function.text, (None, UNKNOWN))[1]
            case ast.Unary():
                return self._quiet(expr.operand)
            case ast.Binary():
                left, right = self._quiet(expr.left), self._quiet(expr.right)
                return None if left is None or right is None else arithmetic(expr.operator, left, right)
            case ast.EnumConstant():
                return None
            case _:
                return literal_type(expr) or UNKNOWN

    def _aggregate_type(self, aggregate: ast.Aggregate) -> Type | None:
        if aggregate.function == "count":
            return INT
        term = self._quiet(aggregate.term)
        if term is None:
            return None
        if term.base not in (NUMERIC if aggregate.function in ("sum", "avg") else ORDERED):
            return UNKNOWN
        return NUMBER if aggregate.function == "avg" else term.required()


def _comparisons(literals: Iterable[ast.Literal]) -> Iterable[ast.Comparison]:
    for literal in literals:
        if isinstance(literal, ast.Comparison):
            yield literal
        elif isinstance(literal, ast.Or):
            yield from _comparisons(literal.branches)
