"""Edits of a spec as people make them: pieces removed, repeated, moved, words mistyped, brackets lost."""

from __future__ import annotations

import random
import re

SMALL_KB = """nesy 1
kb small {
  semantics = max_product
  relation p(a: text, b: text) { key (a, b) }
  derived q(a: text, b: text)
  derived r(a: text)
  facts p { ("x", "y") ("y", "z") }
  rule base: q(a, b) :- p(a, b);
  rule step 0.9: q(a, c) :- q(a, b), p(b, c), b != c;
  rule alone: r(a) :- p(a, _), not q(a, a);
  forbid loop: p(a, a);
  say q = "{a} leads to {b}."
}
test "reach" for small { expect q("x", "z"); given facts p { ("z", "x") } expect q("x", "x"); }
"""
NEW = (
    "  rule extra: r(a) :- q(a, b), p(b, a);\n", "rule base: q(a, b) :- p(a, b), p(b, a);", '("x", "y")', "# note\n",
    "  relation s(a: text)\n", "not ", ", a != b", ";", "}", "{", "(", '"', '"""', "#", ",", "x", ".", "12", "\n", "@",
    "allow(W0401, \"tried\")\n", "kb ", "rule ", "[", "=", ":-", "/", "'", "é", "store = sqlite(\"k.db\")\n",
)  # fmt: skip
_WORD = re.compile(r"\w+|\S|\n")


def edited(text: str, choose: random.Random) -> str:
    """The text after one edit."""
    start = choose.randrange(len(text) + 1)
    kind = choose.randrange(6)
    if kind == 0:
        return text[:start] + choose.choice(NEW) + text[start:]
    if kind == 1:
        return text[:start] + text[start + choose.choice((1, 1, 2, 5, 20, 200)) :]
    if kind == 2:  # another line after this one, or this one gone
        lines = text.splitlines(keepends=True)
        if not lines:
            return choose.choice(NEW)
        place = choose.randrange(len(lines))
        lines[place : place + 1] = choose.choice(
            ([], [choose.choice(lines)], [lines[place], choose.choice(lines)])
        )
        return "".join(lines)
    words = list(_WORD.finditer(text))
    if not words:
        return text + choose.choice(NEW)
    word = choose.choice(words)
    new = choose.choice(words)[0] if kind < 5 else choose.choice(NEW)
    return text[: word.start()] + new + text[word.end() :]
