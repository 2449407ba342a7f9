"""Kinds and expressions in words, and which go together: what `values` needs for its messages."""

from __future__ import annotations

from collections.abc import Mapping

from nesyc.checks.constants import BadArithmeticError, Constant, NotConstantError, fold
from nesyc.checks.kinds import (
    AnyOf,
    CallOf,
    Choice,
    FilePath,
    Kind,
    ListOf,
    Names,
    Ref,
    Scalar,
    Target,
    United,
)
from nesyc.checks.messages import article, one_of
from nesyc.checks.references import dotted
from nesyc.syntax import nodes as ast


def noun(kind: str) -> str:
    """How a kind of symbol is called: what a stage gives has no article where it is many."""
    return kind if kind in ("examples", "errors", "entries", "rules") else article(kind)


def fits(found: str, wanted: str) -> bool:
    """Whether a constant of base type `found` may stand where `wanted` is."""
    if found in (wanted, "unknown"):
        return True
    return wanted in ("number", "usd") and found in ("int", "number", "usd")


def has_form(kind: Kind, expr: ast.Expr, constants: Mapping[str, Constant]) -> bool:
    """Whether `expr` looks like a value of `kind`, right or wrong inside."""
    match kind:
        case CallOf():
            return isinstance(expr, ast.Call)
        case Choice():
            return isinstance(expr, ast.EnumConstant) or (kind.bare and isinstance(expr, ast.Name))
        case ListOf():
            return isinstance(expr, ast.ListOf)
        case Scalar():
            try:
                return fits(fold(expr, constants).base, kind.base)
            except (NotConstantError, BadArithmeticError):
                return False
        case _:
            return True


def wanted_kind(kind: Kind) -> str:
    """A kind in words."""
    match kind:
        case Scalar():
            return kind.base
        case Choice():
            return one_of(f"`{'' if kind.bare else '.'}{word}`" for word in kind.words)
        case Ref() | United():
            return one_of(noun(name) for name in kind.kinds)
        case CallOf():
            return one_of(f"`{name.rpartition('.')[2]}(...)`" for name in kind.functions)
        case ListOf():
            return "a list"
        case _:
            return "a value"


def accepts(kind: Kind, parameter: str) -> bool:
    """Whether a method's parameter of kind `parameter` may stand where `kind` is wanted."""
    match kind:
        case Scalar():
            return fits(parameter, kind.base)
        case Ref() | United():
            return parameter in kind.kinds
        case FilePath() | Target():
            return parameter == "text"
        case AnyOf():
            return any(accepts(option, parameter) for option in kind.kinds)
        case _:
            return False


def example(kind: Kind) -> str:
    """What a value of this kind looks like, for a help."""
    match kind:
        case Scalar():
            return {"text": '"..."', "bool": "true"}.get(kind.base, "1")
        case Choice():
            return f"{'' if kind.bare else '.'}{kind.words[0]}"
        case CallOf():
            return f"{kind.functions[0]}(...)"
        case FilePath():
            return '"path"'
        case Target():
            return '"module:function"'
        case Ref() | United():
            return kind.kinds[0].upper()
        case ListOf():
            return "[...]"
        case Names():
            return "(...)"
        case AnyOf():
            return example(kind.kinds[0])
        case _:
            return "..."


def describe(expr: ast.Expr) -> str:
    """What an expression is, in words."""
    match expr:
        case ast.Text():
            return "text"
        case ast.Number():
            return "a number"
        case ast.Bool():
            return f"`{str(expr.value).lower()}`"
        case ast.Null():
            return "`null`"
        case ast.EnumConstant():
            return f"`.{expr.name}`"
        case ast.Name():
            return f"the name `{expr.text}`"
        case ast.Call():
            return f"a call of `{expr.function.text}`"
        case ast.ListOf():
            return "a list"
        case ast.TupleOf():
            return "a tuple"
        case ast.MapOf():
            return "a block of options"
        case ast.Aggregate():
            return "an aggregate"
        case ast.Member():
            path = dotted(expr)
            return f"the name `{'.'.join(path)}`" if path else "an expression"
        case _:
            return "an expression"
