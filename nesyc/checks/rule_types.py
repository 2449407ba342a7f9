"""Types in rules: atoms against the columns of their relations, both sides of comparisons against each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nesyc.checks.function_types import FUNCTION_TYPES
from nesyc.checks.messages import unknown_name
from nesyc.checks.scope import ColumnInfo
from nesyc.checks.term_types import TermTypes
from nesyc.checks.terms import aggregate_of, as_call, is_known, is_test, other_side
from nesyc.checks.types import (
    NUMERIC,
    ORDERED,
    UNKNOWN,
    Type,
    assignable,
    compatible,
)
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class RuleTypes(TermTypes):
    """Literals against the types that `learn` found."""

    def check_body(self, body: Iterable[ast.Literal]) -> None:
        """Every literal of a body against the types learned."""
        for literal in body:
            match literal:
                case ast.Atom():
                    self.check_atom(literal)
                case ast.Not():
                    self.check_atom(literal.atom)
                case ast.Or():
                    self.check_body(literal.branches)
                case ast.Comparison():
                    self._check_comparison(literal)

    def check_atom(self, atom: ast.Atom, head: bool = False) -> None:
        """E0201, E0301 and the type of each argument."""
        name = atom.relation.text
        if is_known(atom):
            self._check_known(atom)
            return
        if is_test(atom):
            self.term(as_call(atom))
            return
        relation = self.scope.relations.get(name)
        if relation is None:
            self._unknown_relation(atom)
            return
        if len(atom.arguments) != len(relation.columns):
            self._wrong_arity(atom)
            return
        for argument, column in zip(atom.arguments, relation.columns, strict=True):
            self._check_argument(argument, column, head)

    def _unknown_relation(self, atom: ast.Atom) -> None:
        name, span = atom.relation.text, atom.relation.span
        if name in FUNCTION_TYPES:
            help_ = Help(f"compare what it gives:  {name}(...) == ...")
            message = f"`{name}` gives a value, it holds of nothing"
            self.problems.append(Diagnostic("E0302", message, atom.span, label="no test", help=help_))
            return
        self.problems.append(unknown_name("relation", name, span, self.scope.relations))

    def _wrong_arity(self, atom: ast.Atom) -> None:
        relation = self.scope.relations[atom.relation.text]
        columns, found = relation.column_names, len(atom.arguments)
        related = (Related(relation.span, "declared here"),) if relation.span else ()
        help_ = None
        if found < len(columns) and atom.arguments:
            missing = len(columns) - found
            end = atom.arguments[-1].span.end
            text = ", _" * missing
            help_ = Help(
                f"if any value will do:  add `{text.removeprefix(', ')}`",
                (Edit(Span(atom.span.file, end, end), text),),
            )
        self.problems.append(
            Diagnostic(
                "E0301",
                f"`{relation.name}` has {len(columns)} column{'s' * (len(columns) != 1)}, found {found}",
                atom.span,
                label=f"{found} argument{'s' * (found != 1)}",
                related=related,
                notes=(f"its columns are ({', '.join(columns)})",),
                help=help_,
            )
        )

    def _check_known(self, atom: ast.Atom) -> None:
        if len(atom.arguments) != 1 or not isinstance(atom.arguments[0], ast.Name):
            message = "`known(x)` takes one variable"
            self.problems.append(Diagnostic("E0301", message, atom.span, label="not one variable"))

    def _check_argument(self, argument: ast.Expr, column: ColumnInfo, head: bool) -> None:
        if isinstance(argument, (ast.Wildcard, ast.Aggregate)):
            if isinstance(argument, ast.Aggregate):
                self._misplaced_aggregate(argument)
            return
        if isinstance(argument, ast.Name):
            known = self.types.get(argument.text, UNKNOWN)
            fine = assignable(known, column.type) if head else compatible(known, column.type)
            if not fine and not self._reported(argument):
                self._mismatch(argument, known, column)
            return
        self.constant(argument, column.type, column)

    def _reported(self, name: ast.Name) -> bool:
        return any(problem.span == name.span for problem in self.problems)

    def _check_comparison(self, literal: ast.Comparison) -> None:
        aggregate = aggregate_of(literal)
        if aggregate is not None:
            self._check_aggregate(aggregate)
            result = other_side(literal, aggregate)
            self._compare(literal, result, self._result_type(aggregate))
            return
        left, right = literal.left, literal.right
        if isinstance(left, ast.EnumConstant) or (
            isinstance(left, ast.Text) and not isinstance(right, ast.Text)
        ):
            left, right = right, left
        self._compare(literal, right, self.term(left))

    def _compare(self, literal: ast.Comparison, right: ast.Expr, left: Type) -> None:
        if (isinstance(right, ast.Text) and left.base in ("enum", "date")) or isinstance(
            right, ast.EnumConstant
        ):
            if left.base == "unknown":
                return
            self.constant(right, left, None)
            found = left
        else:
            found = self.term(right)
        ordered = literal.operator in ("<", "<=", ">", ">=")
        if not compatible(left, found) and "null" not in (left.base, found.base):
            message = f"cannot compare {left} with {found}"
            self.problems.append(Diagnostic("E0304", message, literal.span, label=f"{left} against {found}"))
        elif ordered and left.base not in ORDERED | {"unknown"}:
            message = f"{left} has no order to compare by `{literal.operator}`"
            help_ = Help("compare with `==` or `!=`")
            self.problems.append(Diagnostic("E0304", message, literal.span, label="no order", help=help_))

    def _result_type(self, aggregate: ast.Aggregate) -> Type:
        return self._aggregate_type(aggregate) or UNKNOWN

    def _check_aggregate(self, aggregate: ast.Aggregate) -> None:
        self.check_body(aggregate.body)
        if isinstance(aggregate.term, ast.Wildcard):
            self.problems.append(
                Diagnostic(
                    "E0302", "an aggregate names what it ranges over", aggregate.term.span, label="any value"
                )
            )
            return
        found = self.term(aggregate.term)
        function = aggregate.function
        allowed = NUMERIC if function in ("sum", "avg") else ORDERED
        if function != "count" and found.base not in allowed | {"unknown"}:
            message = (
                f"`{function}` needs {'numbers' if function in ('sum', 'avg') else 'values with an order'}"
            )
            self.problems.append(
                Diagnostic("E0302", f"{message}, this is {found}", aggregate.term.span, label=f"{found}")
            )
