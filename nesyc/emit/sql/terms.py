"""Terms as SQL expressions, and the two ways a text can stand in one: as itself or as a symbol's id."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from nesyc.emit.sql import dialect
from nesyc.emit.sql.layout import SYMBOLS, Column
from nesyc.ir import nodes

Constants = Callable[[nodes.Const], str]


@dataclass(frozen=True, slots=True)
class Value:
    """An SQL expression; `interned` where it is a symbol's id. `computed`: it may be null where its type is not.

    `grown`: a whole number that SQLite may have turned into a real, where it left 64 bits.
    """

    sql: str
    type: nodes.Type
    interned: bool = False
    computed: bool = False
    grown: bool = False


Bindings = Mapping[str, Value]


def written(constant: nodes.Const) -> str:
    """A constant as a literal in the emitted file."""
    return dialect.literal(constant.value)


def column_value(alias: str, column: Column) -> Value:
    return Value(f"{alias}.{dialect.name(column.column)}", column.type, column.interned)


def term_value(term: nodes.Term, bound: Bindings, constants: Constants) -> Value:
    """The expression of a term whose variables are all in `bound`."""
    match term:
        case nodes.Var():
            assert term.name is not None, "a wildcard has no value"
            return bound[term.name]
        case nodes.Const():
            return Value(constants(term), term.type)
        case nodes.Apply():
            values = [term_value(argument, bound, constants) for argument in term.arguments]
            texts = term.function in dialect.TEXT_FUNCTIONS
            values = [whole(value) for value in values]
            arguments = [as_text(value) if texts else plain(value) for value in values]
            sql = dialect.FUNCTIONS[term.function](arguments, term.type.base)
            grown = term.type.base == "int" and term.function in dialect.GROWING
            return Value(sql, term.type, computed=True, grown=grown)
        case _:
            assert_never(term)


def whole(value: Value) -> Value:
    """The value, an error where it is no whole number of 64 bits any more: for what more is computed of it, and what shows it.

    A column refuses such a number itself, and a comparison with one of 64 bits is right about it.
    """
    return replace(value, sql=dialect.whole(value.sql), grown=False) if value.grown else value


def plain(value: Value) -> str:
    """The value itself, never an id."""
    return symbol_text(value.sql) if value.interned else value.sql


def as_text(value: Value) -> str:
    return dialect.as_text(plain(value), value.type.base)


def stored(value: Value, column: Column) -> str:
    """The value as `column` holds it; a text that was never interned gives null."""
    if column.interned == value.interned:
        return value.sql
    return symbol_id(value.sql) if column.interned else symbol_text(value.sql)


def equal(left: Value, right: Value, sign: str = "=") -> str:
    """A comparison for (in)equality, on ids where both sides are ids."""
    if left.interned and right.interned:
        return f"{left.sql} {sign} {right.sql}"
    return f"{plain(left)} {sign} {plain(right)}"


def symbol_id(text: str) -> str:
    return f"(SELECT id FROM {dialect.name(SYMBOLS)} WHERE text = {text})"


def symbol_text(identifier: str) -> str:
    return f"(SELECT text FROM {dialect.name(SYMBOLS)} WHERE id = {identifier})"


def variables(term: nodes.Term) -> Iterator[str]:
    """The named variables of a term, in order."""
    match term:
        case nodes.Var():
            if term.name is not None:
                yield term.name
        case nodes.Apply():
            for argument in term.arguments:
                yield from variables(argument)
        case nodes.Const():
            return
        case _:
            assert_never(term)
