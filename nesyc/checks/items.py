"""Expressions over one item: metrics, queries and filters of retrieval, requirements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.function_types import ITEM_FUNCTION_TYPES, arithmetic, unit_problem
from nesyc.checks.messages import check_pattern, unknown_constant, unknown_name
from nesyc.checks.references import dotted
from nesyc.checks.scope import ColumnInfo, EnumInfo, RelationInfo
from nesyc.checks.types import BOOL, NUMERIC, ORDERED, TEXT, UNKNOWN, Type, compatible, is_date
from nesyc.checks.value_words import describe
from nesyc.diagnostics import Diagnostic, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

STATUSES = EnumInfo("status", ("accepted", "proposed", "rejected", "stale"))
ORIGINS = EnumInfo("origin", ("human", "teacher", "unreviewed"))


@dataclass(frozen=True, slots=True)
class ItemName:
    """What a name in an item expression stands for: a column of `scope`, under `score` of the model `of`."""

    scope: str
    name: str
    type: Type
    of: str | None = None


Find = Callable[[tuple[str, ...]], ItemName | None]


@dataclass(slots=True)
class ItemTypes:
    """Types an expression; `find` knows the names, `known` are those to suggest, `code` is for wrong types.

    `relations` are those an expression may test, as `useful(id, _)`.
    """

    find: Find
    known: Iterable[str]
    enums: Mapping[str, EnumInfo]
    constants: Mapping[str, Constant]
    code: str = "E0304"
    noun: str = "field"
    relations: Mapping[str, RelationInfo] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def type_of(self, expr: ast.Expr) -> Type:
        """The type of `expr`; what is wrong goes to `problems`."""
        match expr:
            case ast.Text():
                return TEXT
            case ast.Bool():
                return BOOL
            case ast.Number():
                return Type("int" if isinstance(expr.value, int) else "number", written=True)
            case ast.Name() | ast.Member():
                return self._name(expr)
            case ast.Unary(operator="not"):
                self._expect(expr.operand, "bool")
                return BOOL
            case ast.Unary():
                return self._expect(expr.operand, "number")
            case ast.Binary(operator="and" | "or"):
                self._expect(expr.left, "bool")
                self._expect(expr.right, "bool")
                return BOOL
            case ast.Binary(operator="+" | "-" | "*" | "/" | "%"):
                left, right = self._expect(expr.left, "number"), self._expect(expr.right, "number")
                if problem := unit_problem(expr.operator, left, right):
                    self._problem(problem, expr.span, f"{left} {expr.operator} {right}")
                return arithmetic(expr.operator, left, right)
            case ast.Binary():
                self._compare(expr)
                return BOOL
            case ast.Call():
                return self._call(expr)
            case _:
                self._problem(f"{describe(expr)} cannot stand here", expr.span)
                return UNKNOWN

    def _problem(self, message: str, span: Span, label: str = "") -> None:
        self.problems.append(Diagnostic(self.code, message, span, label=label))

    def _name(self, expr: ast.Name | ast.Member) -> Type:
        path = dotted(expr)
        found = self.find(path) if path else None
        if found is not None:
            return found.type
        try:
            return Type(fold(expr, self.constants).base)
        except (NotConstantError, BadArithmeticError):
            pass
        name = ".".join(path) if path else "this"
        known = (*self.known, *self.constants)
        self.problems.append(unknown_name(self.noun, name, expr.span, known))
        return UNKNOWN

    def _expect(self, expr: ast.Expr, wanted: str) -> Type:
        found = self.type_of(expr)
        fine = found.base in NUMERIC if wanted == "number" else found.base == wanted
        if not fine and found.base != "unknown":
            self._problem(f"expected {wanted}, found {found}", expr.span, f"this is {found}")
            return UNKNOWN
        return found

    def _compare(self, expr: ast.Binary) -> None:
        left, right = expr.left, expr.right
        if isinstance(left, ast.EnumConstant):
            left, right = right, left
        found = self.type_of(left)
        if isinstance(right, ast.EnumConstant):
            self._enum_constant(right, found)
            return
        if isinstance(right, ast.Text) and found.base == "date" and is_date(right.value):
            return
        if isinstance(right, ast.Null) or isinstance(left, ast.Null):
            self._problem("nothing equals null", expr.span)
            return
        other = self.type_of(right)
        if not compatible(found, other):
            self._problem(f"cannot compare {found} with {other}", expr.span, f"{found} against {other}")
        elif expr.operator in ("<", "<=", ">", ">=") and found.base not in ORDERED | {"unknown"}:
            self._problem(f"{found} has no order to compare by `{expr.operator}`", expr.span)

    def _enum_constant(self, constant: ast.EnumConstant, against: Type) -> None:
        if against.base == "unknown":
            return
        enum = {"status": STATUSES, "origin": ORIGINS}.get(against.enum or "") or self.enums.get(
            against.enum or ""
        )
        if enum is None:
            self._problem(
                f"cannot compare {against} with `.{constant.name}`", constant.span, "an enum constant"
            )
        elif not enum.has(constant.name):
            self.problems.append(
                unknown_constant(enum.name, constant.name, constant.span, enum.constants, enum.span)
            )

    def _test(self, call: ast.Call, relation: RelationInfo) -> None:
        """E0301 and wrong types in the test of a relation."""
        columns = relation.columns
        related = (Related(relation.span, "declared here"),) if relation.span is not None else ()
        if len(call.arguments) != len(columns) or any(argument.name for argument in call.arguments):
            message = f"`{relation.name}` has {len(columns)} column{'s' * (len(columns) != 1)}"
            notes = (f"its columns are ({', '.join(relation.column_names)})", "`_` stands for any value")
            label = f"{len(call.arguments)} argument{'s' * (len(call.arguments) != 1)}"
            self.problems.append(Diagnostic("E0301", message, call.span, label, related, notes))
            return
        for argument, column in zip(call.arguments, columns, strict=True):
            self._test_argument(argument.value, column)

    def _test_argument(self, expr: ast.Expr, column: ColumnInfo) -> None:
        if isinstance(expr, ast.Wildcard):
            return
        if isinstance(expr, ast.EnumConstant):
            self._enum_constant(expr, column.type)
            return
        found = self.type_of(expr)
        if isinstance(expr, ast.Text) and column.type.base == "date" and is_date(expr.value):
            return
        if not compatible(found, column.type):
            message = f"column `{column.name}` is {column.type}, this is {found}"
            self._problem(message, expr.span, f"this is {found}")

    def _call(self, call: ast.Call) -> Type:
        name = call.function.text
        if name in self.relations:  # before a function of its name, as when it is lowered
            self._test(call, self.relations[name])
            return BOOL
        known = ITEM_FUNCTION_TYPES.get(name)
        if name == "known" and len(call.arguments) == 1:
            self.type_of(call.arguments[0].value)
            return BOOL
        if known is None:
            noun = "function or relation" if self.relations else "function"
            candidates = (*ITEM_FUNCTION_TYPES, *self.relations)
            self.problems.append(unknown_name(noun, name, call.function.span, candidates))
            return UNKNOWN
        wanted, result = known
        if not call.arguments or (wanted is not None and len(wanted) != len(call.arguments)):
            count = len(wanted) if wanted else 1
            message = f"`{name}` takes {count} argument{'s' * (count != 1)}, found {len(call.arguments)}"
            self.problems.append(Diagnostic("E0301", message, call.span, label="wrong number of arguments"))
            return result
        for argument in call.arguments:
            found = self.type_of(argument.value)
            if name != "concat" and found.base not in ("text", "enum", "unknown"):
                self._problem(f"`{name}` needs text, this is {found}", argument.span, f"this is {found}")
        if name == "matches":
            self.problems.extend(check_pattern(call.arguments[1].value, "E0302"))
        return result
