"""The syntax slips people make, each with the text that mends it."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence

from nesyc.diagnostics import Diagnostic, Edit, Help
from nesyc.diagnostics.span import Span
from nesyc.parsing.brackets import begins_line
from nesyc.parsing.lexer import Token
from nesyc.parsing.split import SENTENCES

Slip = Callable[[Sequence[Token], int, Container[str], str], Diagnostic | None]


def find_slip(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str, text: str
) -> Diagnostic | None:
    """The slip that explains why `tokens[place]` cannot stand where `possible` can; None if none does."""
    for slip in _SLIPS:
        found = slip(tokens, place, possible, file)
        if found is not None:
            return found
    return _missing_semicolon(tokens, place, possible, file, text)


def _slip(message: str, file: str, first: Token, last: Token, label: str, write: str, why: str) -> Diagnostic:
    span = Span(file, first.start, last.end)
    return Diagnostic("E0101", message, span, label, help=Help(why, (Edit(span, write),)))


def _colon_for_equal(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str
) -> Diagnostic | None:
    if place >= len(tokens) or tokens[place].kind != "COLON" or "EQUAL" not in possible:
        return None
    token = tokens[place]
    why = "`:` gives a type, `=` gives a value: write `=`"
    return _slip("expected `=`, found `:`", file, token, token, "this gives a type", "=", why)


def _equal_for_colon(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str
) -> Diagnostic | None:
    if place >= len(tokens) or tokens[place].kind != "EQUAL" or "COLON" not in possible:
        return None
    token = tokens[place]
    is_head = tokens[0].kind in ("RULE", "FORBID", "AT", "GIVEN") or tokens[0].text == "@"
    why = "the name of a rule ends with `:`" if is_head else "`=` gives a value, `:` gives a type: write `:`"
    return _slip("expected `:`, found `=`", file, token, token, "expected `:`", ":", why)


def _same_for_equal(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str
) -> Diagnostic | None:
    if place >= len(tokens) or tokens[place].kind != "SAME" or "EQUAL" not in possible:
        return None
    token = tokens[place]
    return _slip(
        "expected `=`, found `==`", file, token, token, "this compares", "=", "`=` gives a value: write `=`"
    )


def _equal_for_same(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str
) -> Diagnostic | None:
    if place >= len(tokens) or tokens[place].kind != "EQUAL" or "SAME" not in possible:
        return None
    token = tokens[place]
    why = "`=` gives a value, `==` compares: write `==`"
    return _slip("`=` does not compare here", file, token, token, "this gives a value", "==", why)


def _no_implies(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str
) -> Diagnostic | None:
    """`<-`, `:`, `=`, `if` or nothing between head and body; a head alone."""
    if "IMPLIES" not in possible:
        return None
    if place >= len(tokens) or tokens[place].kind in ("SEMICOLON", "DOT"):
        end = tokens[place - 1].end
        help = Help("write `:-` and what must hold; what always holds stands in `facts NAME { (...) }`")
        return Diagnostic(
            "E0101", "this rule has no body", Span(file, end, end), "`:-` is missing here", help=help
        )
    token = last = tokens[place]
    following = tokens[place + 1] if place + 1 < len(tokens) else token
    if token.text == "<" and following.text in ("-", "->") and following.start == token.end:
        last = following
    elif token.kind not in ("COLON", "EQUAL", "ARROW") and token.text not in ("if", "when", "where"):
        where = Span(file, tokens[place - 1].end, tokens[place - 1].end)
        help = Help("write `:-` between the head of a rule and its body", (Edit(where, " :-"),))
        message = f"expected `:-`, found `{token.text[:40]}`"
        return Diagnostic(
            "E0101", message, Span(file, token.start, token.end), "the body begins here", help=help
        )
    return _slip("expected `:-` between head and body", file, token, last, "not this", ":-", "write `:-`")


def _full_stop(tokens: Sequence[Token], place: int, possible: Container[str], file: str) -> Diagnostic | None:
    """A rule that ends with `.`, as in Prolog."""
    at_stop = place < len(tokens) and tokens[place].kind == "DOT" and "SEMICOLON" in possible
    after_stop = place == len(tokens) > 1 and tokens[-1].kind == "DOT" and tokens[0].kind in SENTENCES
    if not at_stop and not after_stop:
        return None
    stop = tokens[place if at_stop else -1]
    return _slip("a rule ends with `;`, not `.`", file, stop, stop, "expected `;`", ";", "write `;`")


def _missing_semicolon(
    tokens: Sequence[Token], place: int, possible: Container[str], file: str, text: str
) -> Diagnostic | None:
    if "SEMICOLON" not in possible or not tokens or place == 0:
        return None
    if place < len(tokens) and not begins_line(text, tokens[place]):
        return None
    end = tokens[place - 1].end
    at = Span(file, end, end)
    what = "an expectation" if tokens[0].kind == "EXPECT" else "a rule"
    return Diagnostic(
        "E0101",
        "expected `;`",
        at,
        "`;` is missing here",
        help=Help(f"{what} ends with `;`", (Edit(at, ";"),)),
    )


_SLIPS: tuple[Slip, ...] = (
    _no_implies,
    _colon_for_equal,
    _equal_for_colon,
    _same_for_equal,
    _equal_for_same,
    _full_stop,
)
