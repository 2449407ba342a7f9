"""The Pygments lexer `nesy`, found by its entry point: fences in Sphinx, MkDocs and on the terminal show colour."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import (
    Comment,
    Keyword,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Whitespace,
)

from nesyc.highlighting import words


class NesyLexer(RegexLexer):
    """Tokens of .nesy text; never an error token for what the language knows."""

    name = "nesy"
    url = ""
    aliases: ClassVar[list[str]] = ["nesy", "nesyc"]
    filenames: ClassVar[list[str]] = ["*.nesy"]
    mimetypes: ClassVar[list[str]] = ["text/x-nesy"]

    tokens: ClassVar = {
        "root": [
            (r"[ \t\r\n\f]+", Whitespace),
            (r"#[^\n]*", Comment.Single),
            (r'"""', String.Double, "block"),
            (r'"', String.Double, "string"),
            (words.ANNOTATION, Name.Decorator),
            (words.ENUM_CONSTANT, Name.Constant),
            (words.NUMBER, Number),
            (rf"({words.DECLARATION})([ \t]+)({words.NAME})", bygroups(Keyword, Whitespace, Name.Class)),
            (words.ITEM, Keyword),
            (words.RESERVED, Operator.Word),
            (words.CONSTANT, Keyword.Constant),
            (words.TYPE, Keyword.Type),
            (words.JOINT, Keyword),
            (words.FUNCTION, Name.Function),
            (words.KEY, Name.Attribute),
            (words.NAME, Name),
            (words.OPERATOR, Operator),
            (r"[()\[\]{},:;.]", Punctuation),
        ],
        "string": [
            (words.ESCAPE, String.Escape),
            (words.HOLE, String.Interpol),
            (r'"', String.Double, "#pop"),
            (r"\n", Whitespace, "#pop"),
            (r'[^"\\{\n]+|[\\{]', String.Double),
        ],
        "block": [
            (r'"""', String.Double, "#pop"),
            (words.ESCAPE, String.Escape),
            (words.HOLE, String.Interpol),
            (r'[^"\\{]+|["\\{]', String.Double),
        ],
    }
