"""`format_text`: a file in the one style, with every word, comment and string of the old one."""

from __future__ import annotations

from dataclasses import dataclass

from nesyc.diagnostics import Diagnostic
from nesyc.format.blocks import block, file
from nesyc.format.brackets import sequence
from nesyc.format.printer import Layout, Printer
from nesyc.format.read import Source, read_source
from nesyc.format.shapes import aggregate, annotated, binary, facts_from, names, rule
from nesyc.parsing.edition import EDITIONS
from nesyc.parsing.lalr import Stuck, TooDeep
from nesyc.parsing.lexer import Token, tokenize
from nesyc.parsing.mistakes import repair_tokens
from nesyc.parsing.parse import parse_file

_BLOCKS = (
    "teacher student embedder dataset task kb options facts retrieve answer method pipeline evaluate test"
    " enum map_of".split()
)
LAYOUTS: dict[str, Layout] = {
    **dict.fromkeys(_BLOCKS, block),
    "annotated": annotated,
    "loaded_facts": facts_from,
    "rule": rule,
    "forbid": rule,
    "aggregate": aggregate,
    "binary": binary,
    "report": names,
    "compare": names,
    "compare_with": names,
}


@dataclass(frozen=True, slots=True)
class Formatted:
    """`text` is the file in the one style; None where `diagnostics` says why it cannot be read."""

    text: str | None
    diagnostics: tuple[Diagnostic, ...] = ()


def format_text(path: str, text: str) -> Formatted:
    """Format the text of a .nesy file; `path` stands in the diagnostics.

    Only blanks, line ends and optional commas change: the syntax tree stays equal. A file that does not
    parse, or is written in an edition this nesyc does not know, is not formatted. Never raises.
    """
    tokens, problems = repair_tokens(path, text, tokenize(text))
    try:
        source = None if problems else read_source(path, text, tokens)
    except (Stuck, TooDeep):
        source = None
    if source is None or not _known_edition(tokens):
        return Formatted(None, parse_file(path, text).diagnostics)
    printed = _printed(text, source)
    kept = [token.text for token in words(tokenize(printed))]
    assert kept == [token.text.replace("\r\n", "\n") for token in words(tokens)], "a formatter loses no word"
    return Formatted(_with_line_ends(text, printed))


def words(tokens: list[Token]) -> list[Token]:
    """The tokens that formatting keeps; commas may come and go."""
    return [token for token in tokens if token.text not in (",", "\ufeff")]


def _printed(text: str, source: Source) -> str:
    printer = Printer(source, LAYOUTS, sequence)
    file(printer, source)
    return printer.text()


def _with_line_ends(text: str, printed: str) -> str:
    """The printed text with the byte order mark and the line ends that the old text begins with."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    first = text.find("\n")
    windows = first > 0 and text[first - 1] == "\r"
    return mark + (printed.replace("\n", "\r\n") if windows else printed)


def _known_edition(tokens: list[Token]) -> bool:
    """Whether the file says no edition (the checks complain about that), or one that is known."""
    if len(tokens) < 2 or tokens[0].kind != "NESY" or tokens[1].kind != "NUMBER":
        return True
    return tokens[1].text in map(str, EDITIONS)
