"""Expressions over one item: names resolved, parameters folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.items import ItemName, ItemTypes
from nesyc.checks.references import dotted
from nesyc.checks.scope import EnumInfo, RelationInfo
from nesyc.checks.types import UNKNOWN, Type
from nesyc.ir import nodes
from nesyc.ir.context import lower_type
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class ItemLowering:
    find: Callable[[tuple[str, ...]], ItemName | None]
    enums: Mapping[str, EnumInfo]
    constants: Mapping[str, Constant]
    relations: Mapping[str, RelationInfo] = field(default_factory=dict)

    def lower(self, expr: ast.Expr, wanted: Type = UNKNOWN) -> nodes.ItemExpr:
        """`expr`, which the checks have found sound; an enum constant takes the type `wanted`."""
        path = dotted(expr)
        found = self.find(path) if path else None
        if found is not None:
            return nodes.ColumnRef(found.scope, found.name, found.of)  # type: ignore[arg-type]
        if isinstance(expr, ast.EnumConstant):
            return nodes.Const(expr.name, lower_type(wanted.required()))
        try:
            constant = fold(expr, self.constants)
            return nodes.Const(constant.value, lower_type(Type(constant.base)))
        except (NotConstantError, BadArithmeticError):
            return self._operation(expr)

    def _operation(self, expr: ast.Expr) -> nodes.Operation | nodes.Holds:
        match expr:
            case ast.Call() if expr.function.text in self.relations:
                columns = self.relations[expr.function.text].columns
                pairs = zip(expr.arguments, columns, strict=True)
                return nodes.Holds(
                    expr.function.text,
                    tuple(
                        None
                        if isinstance(argument.value, ast.Wildcard)
                        else self.lower(argument.value, column.type)
                        for argument, column in pairs
                    ),
                )
            case ast.Unary():
                return nodes.Operation("neg" if expr.operator == "-" else "not", (self.lower(expr.operand),))
            case ast.Binary():
                left, right = self._type(expr.left), self._type(expr.right)
                return nodes.Operation(
                    expr.operator, (self.lower(expr.left, right), self.lower(expr.right, left))
                )
            case ast.Call():
                arguments = tuple(self.lower(argument.value) for argument in expr.arguments)
                return nodes.Operation(expr.function.text, arguments)
            case _:
                raise AssertionError(f"not an item expression: {type(expr).__name__}")

    def _type(self, expr: ast.Expr) -> Type:
        if isinstance(expr, ast.EnumConstant):
            return UNKNOWN
        return ItemTypes(self.find, (), self.enums, self.constants, relations=self.relations).type_of(expr)
