"""Terms of a rule: constants where a type is wanted, functions and arithmetic over what the variables are."""

from __future__ import annotations

from dataclasses import dataclass

from nesyc.checks.function_types import FUNCTION_TYPES, ITEM_FUNCTION_TYPES, arithmetic, unit_problem
from nesyc.checks.messages import check_pattern, one_of, unknown_constant, unknown_name
from nesyc.checks.scope import ColumnInfo
from nesyc.checks.signatures import TEXT_FUNCTIONS
from nesyc.checks.types import (
    NUMERIC,
    UNKNOWN,
    Type,
    assignable,
    fits_integer,
    is_date,
    literal_type,
)
from nesyc.checks.variable_types import VariableTypes
from nesyc.diagnostics import Diagnostic, Edit, Help, Related
from nesyc.syntax import nodes as ast


@dataclass(slots=True)
class TermTypes(VariableTypes):
    """The type of each term; wrong operands, functions and constants are reported."""

    def constant(self, expr: ast.Expr, wanted: Type, column: ColumnInfo | None, nulls: bool = False) -> None:
        """A constant or computed term where a value of type `wanted` stands; `nulls` in facts."""
        if wanted.base == "unknown":
            return
        if isinstance(expr, ast.EnumConstant):
            self._enum_constant(expr, wanted, column)
            return
        found = self.term(expr)
        if isinstance(expr, ast.Number) and not fits_integer(expr.value):
            self.problems.append(
                Diagnostic("E0302", "an int has at most 64 bits", expr.span, label="too large")
            )
        elif wanted.base == "enum" and isinstance(expr, ast.Text):
            self._quoted_enum(expr, wanted, column)
        elif wanted.base == "date" and isinstance(expr, ast.Text):
            if not is_date(expr.value):
                message = f'"{expr.value}" is no date'
                help_ = Help('write it as year-month-day: `"2026-01-31"`')
                self.problems.append(Diagnostic("E0302", message, expr.span, label="not a date", help=help_))
        elif found.base == "null" and not nulls:
            return
        elif not assignable(found, wanted):
            self._mismatch(expr, found, column or ColumnInfo("value", wanted))

    def _mismatch(self, argument: ast.Expr, found: Type, column: ColumnInfo) -> None:
        related = [Related(column.span, f"column `{column.name}` is declared here")] if column.span else []
        if isinstance(argument, ast.Name) and argument.text in self.seen:
            related.append(Related(self.seen[argument.text], f"{found} from here"))
        what = f"variable `{argument.text}`" if isinstance(argument, ast.Name) else "this"
        message = f"column `{column.name}` is {column.type}, {what} is {found}"
        self.problems.append(Diagnostic("E0302", message, argument.span, f"{found}", tuple(related)))

    def _quoted_enum(self, expr: ast.Text, wanted: Type, column: ColumnInfo | None) -> None:
        enum = self.scope.enums.get(wanted.enum or "")
        if enum is None:
            return
        if self.scope.text_enums:
            word = expr.value.removeprefix(".")
            if not enum.has(word):
                self.problems.append(unknown_constant(enum.name, word, expr.span, enum.constants, enum.span))
            return
        known = enum.has(expr.value)
        related = (
            (Related(column.span, f"column `{column.name}` is {wanted}"),) if column and column.span else ()
        )
        help_ = Help(f"write `.{expr.value}`", (Edit(expr.span, f".{expr.value}"),)) if known else None
        message = f"expected a value of {enum.name}, found text"
        self.problems.append(Diagnostic("E0302", message, expr.span, "this is text", related, help=help_))

    def _enum_constant(self, expr: ast.EnumConstant, wanted: Type, column: ColumnInfo | None) -> None:
        enum = self.scope.enums.get(wanted.enum or "")
        if enum is None:
            related = (
                (Related(column.span, f"column `{column.name}` is {wanted}"),)
                if column and column.span
                else ()
            )
            message = f"expected {wanted}, found the enum constant `.{expr.name}`"
            self.problems.append(Diagnostic("E0302", message, expr.span, "an enum constant", related))
        elif not enum.has(expr.name):
            self.problems.append(unknown_constant(enum.name, expr.name, expr.span, enum.constants, enum.span))

    def term(self, expr: ast.Expr) -> Type:
        """The type of a term; wrong operands and functions are reported."""
        match expr:
            case ast.Name():
                return self.types.get(expr.text, UNKNOWN)
            case ast.Wildcard():
                self.problems.append(
                    Diagnostic("E0302", "`_` has no value to compute with", expr.span, label="any value")
                )
                return UNKNOWN
            case ast.Call():
                return self._function(expr)
            case ast.Unary() if expr.operator == "-":
                return self._operand(expr.operand)
            case ast.Binary() if expr.operator in "+-*/%":
                left, right = self._operand(expr.left), self._operand(expr.right)
                if expr.operator in "/%" and isinstance(expr.right, ast.Number) and expr.right.value == 0:
                    message = "this divides by zero"
                    self.problems.append(Diagnostic("E0302", message, expr.span, label="has no value"))
                if problem := unit_problem(expr.operator, left, right):
                    label = f"{left} {expr.operator} {right}"
                    self.problems.append(Diagnostic("E0302", problem, expr.span, label=label))
                return arithmetic(expr.operator, left, right)
            case ast.Aggregate():
                self._misplaced_aggregate(expr)
                return UNKNOWN
            case ast.EnumConstant():
                return UNKNOWN
            case _:
                found = literal_type(expr)
                if found is None:
                    message = "this cannot stand in a rule"
                    self.problems.append(Diagnostic("E0302", message, expr.span, label="no term"))
                return found or UNKNOWN

    def _misplaced_aggregate(self, expr: ast.Aggregate) -> None:
        message = "an aggregate stands alone on one side of a comparison"
        help_ = Help(f"give it a name first:  n = {expr.function}(...), then use `n`")
        self.problems.append(Diagnostic("E0302", message, expr.span, label="not a term", help=help_))

    def _operand(self, expr: ast.Expr) -> Type:
        found = self.term(expr)
        if found.base not in NUMERIC and found.base != "unknown":
            message = f"arithmetic needs numbers, this is {found}"
            self.problems.append(Diagnostic("E0302", message, expr.span, label=f"{found}"))
            return UNKNOWN
        return found

    def _function(self, call: ast.Call) -> Type:
        name = call.function.text
        known = FUNCTION_TYPES.get(name)
        if known is None:
            notes: tuple[str, ...] = (f"functions of rules: {one_of(TEXT_FUNCTIONS)}",)
            if name in ITEM_FUNCTION_TYPES:
                notes = (f"`{name}` stands in filters, queries and metrics; rules have no words", *notes)
            self.problems.append(unknown_name("function", name, call.function.span, TEXT_FUNCTIONS, notes))
            return UNKNOWN
        wanted, result = known
        if (wanted is not None and len(wanted) != len(call.arguments)) or not call.arguments:
            count = len(wanted) if wanted else 1
            message = f"`{name}` takes {count} argument{'s' * (count != 1)}, found {len(call.arguments)}"
            self.problems.append(Diagnostic("E0301", message, call.span, label="wrong number of arguments"))
            return result
        for argument in call.arguments:
            if argument.name is not None:
                message = f"`{name}` takes its arguments by place"
                self.problems.append(Diagnostic("E0308", message, argument.span, label="by name"))
            found = self.term(argument.value)
            # concat writes any value; the others read text (an enum constant's name is text).
            if name != "concat" and found.base not in ("text", "enum", "unknown"):
                message = f"`{name}` needs text, this is {found}"
                self.problems.append(Diagnostic("E0302", message, argument.span, label=f"{found}"))
        if name == "matches":
            self.problems.extend(check_pattern(call.arguments[1].value, "E0302"))
        return result
