"""The language's words by what they do, and the patterns that tell a keyword from a name.

Keywords are soft: `test` may be a split and `key` a column. A highlighter has no parser, so the words
around decide. A test derives these sets from grammar/nesy.lark and holds them equal.
"""

from __future__ import annotations

DECLARING = tuple(
    "answer dataset derived embedder enum evaluate facts forbid kb method metric param parse pipeline provenance"
    " relation report retrieve rule say split stage student task teacher".split()
)
"""Keywords with a name after them."""
OPENING = tuple(
    "allow claim compare expect fragment fulltext given include index input key nearest nesy output prompt"
    " require row test unique".split()
)
"""Keywords that begin an item, and go on with something else than a name."""
JOINING = tuple("as at by conf contains error for from group of on resolve with".split())
"""Keywords between names and values."""
OPERATORS = ("and", "not", "or")
CONSTANTS = ("false", "null", "true")
TYPES = ("bool", "date", "int", "json", "number", "text", "usd", "vector")

NAME = r"[A-Za-z_][A-Za-z0-9_]*"
NUMBER = r"\b[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\b"
ESCAPE = r"\\(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|.)"
HOLE = r"\{" + NAME + r"\}"


def any_of(words: tuple[str, ...]) -> str:
    return "(?:" + "|".join(words) + ")"


# Each is tried at a place where no word or `.` stands before it.
DECLARATION = rf"(?<![\w.]){any_of(DECLARING)}(?=[ \t]+{NAME})"
_FOLLOWING = any_of(tuple(word for word in JOINING if word != "error"))
ITEM = rf"(?<![\w.]){any_of(OPENING)}(?=[ \t]*\"|[ \t]+[(\w.]|[ \t]*=[ \t]*\")(?![ \t]+{_FOLLOWING}\b)"
JOINT = rf"(?<=[ \t]){any_of(JOINING)}(?=[ \t]+[\w.\"\[(]|[ \t]*=)(?![ \t]*=[^=\"]*[,)])"
RESERVED = rf"(?<![\w.]){any_of(OPERATORS)}\b"
CONSTANT = rf"(?<![\w.]){any_of(CONSTANTS)}\b"
TYPE = rf"(?:(?<=: )|(?<=as )){any_of(TYPES)}\b"
ENUM_CONSTANT = r"(?<![\w.)\]])\." + NAME
ANNOTATION = rf"@{NAME}"
FUNCTION = rf"{NAME}(?=\()"
KEY = rf"{NAME}(?=[ \t]*=(?!=))"
OPERATOR = r":-|->|\.\.|==|!=|[<>]=?|[-+*/%=?]"
