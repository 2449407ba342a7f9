"""Characters that belong to no token, and comments of other languages: reported, then mended or left out."""

from __future__ import annotations

from nesyc.diagnostics import Diagnostic, Edit, Help
from nesyc.diagnostics.span import Span
from nesyc.parsing.lexer import STRAY, Token, tokenize

LIMIT = 100
"""At most so many reports of stray characters for one file: after that it is no .nesy file."""

JOINED = {
    "&&": "literals of a rule are joined by `,`, conditions elsewhere by `and`",
    "||": "write `or (p(x), q(x))` in a rule, `or` elsewhere",
}
SPELLED = {
    "!": "not",
    "“": '"',
    "”": '"',
    "„": '"',
    "‘": '"',
    "’": '"',
    "≠": "!=",
    "≤": "<=",
    "≥": ">=",
    "←": ":-",
    "→": "->",
    "¬": "not",
    "∧": ",",
    "−": "-",
}


def repair_tokens(file: str, text: str, tokens: list[Token]) -> tuple[list[Token], list[Diagnostic]]:
    """The tokens without what is not part of the language, and what was found."""
    problems: list[Diagnostic] = []
    kept: list[Token] = []
    skip_to = 0
    for place, token in enumerate(tokens):
        if token.start < skip_to:
            continue
        if token.kind == "SLASH":
            following = tokens[place + 1] if place + 1 < len(tokens) else token
            if following.kind == "SLASH" and following.start == token.end:
                skip_to = _line_end(text, token.start)
                problems.append(_foreign_comment(file, token, following))
                continue
        if token.kind == "OPEN_STRING":
            token, rest = _without_tail(text, token)
            kept += [Token("STRING", token.text + '"', token.start, token.end), *rest]
            problems.append(_open_string(file, token))
            continue
        if token.kind == "OPEN_BLOCK":
            kept.append(Token("BLOCK", token.text + '"""', token.start, token.end))
            problems.append(_open_block(file, token))
            continue
        if token.kind in STRAY:
            if token.start == 0 and token.text == "\ufeff":
                continue  # a byte order mark, as some editors write it
            if len(problems) < LIMIT:
                problems.append(_REPORTS[token.kind](file, token))
            if token.kind == "STRAY_STRING":
                kept.append(token._replace(kind="STRING"))
            continue
        kept.append(token)
    return kept, _merged(problems)


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _without_tail(text: str, token: Token) -> tuple[Token, list[Token]]:
    """A string that lacks its closing quote, and the brackets after it that the quote was forgotten before."""
    found = token.text.rstrip().rstrip(")]},; ") or '"'
    end = token.start + len(found)
    return Token(token.kind, found, token.start, end), tokenize(text, end, token.end)


def _foreign_comment(file: str, first: Token, second: Token) -> Diagnostic:
    place = Span(file, first.start, second.end)
    return Diagnostic(
        "E0101",
        "`//` does not begin a comment",
        place,
        "a comment begins with `#`",
        help=Help("write `#`", (Edit(place, "#"),)),
    )


def _open_block(file: str, token: Token) -> Diagnostic:
    return Diagnostic(
        "E0102",
        'this `"""` is never closed',
        Span(file, token.start, token.start + 3),
        "the block begins here",
        help=Help('write `"""` on a line of its own after the text', ()),
    )


def _open_string(file: str, token: Token) -> Diagnostic:
    end = token.end
    return Diagnostic(
        "E0102",
        "this string is not closed on its line",
        Span(file, token.start, end),
        'no closing `"`',
        help=Help(
            'end it with `"`; text of several lines stands between `"""` and `"""`',
            (Edit(Span(file, end, end), '"'),),
        ),
    )


def _single_quotes(file: str, token: Token) -> Diagnostic:
    place = Span(file, token.start, token.end)
    inner = token.text[1:-1].replace("\\'", "'").replace('"', '\\"')
    return Diagnostic(
        "E0101",
        "strings stand in double quotes",
        place,
        "single quotes mean nothing here",
        help=Help(f'write `"{inner}"`', (Edit(place, f'"{inner}"'),)),
    )


def _stray(file: str, token: Token) -> Diagnostic:
    place = Span(file, token.start, token.end)
    first = token.text[0]
    if "\ud800" <= first <= "\udfff":
        return Diagnostic("E0101", "unexpected character: half of a surrogate pair", place)
    named = f"`{token.text}`" if token.text.isprintable() else f"U+{ord(first):04X}"
    spelled = SPELLED.get(token.text)
    help = Help(f"write `{spelled}`", (Edit(place, spelled),)) if spelled else None
    if token.text in JOINED:
        help = Help(JOINED[token.text])
    label = "names are ASCII letters, digits and `_`" if first.isalpha() else ""
    return Diagnostic("E0101", f"unexpected character {named}", place, label, help=help)


_REPORTS = {
    "STRAY_STRING": _single_quotes,
    "STRAY": _stray,
}


def _merged(problems: list[Diagnostic]) -> list[Diagnostic]:
    """One report where stray characters follow each other without a gap."""
    merged: list[Diagnostic] = []
    for problem in problems:
        touches = merged and merged[-1].span.end == problem.span.start
        if touches and problem.message.startswith("unexpected character"):
            first = merged.pop()
            span = Span(first.span.file, first.span.start, problem.span.end)
            merged.append(
                Diagnostic("E0101", "unexpected characters", span, "these belong to no word of the language")
            )
        else:
            merged.append(problem)
    return merged
