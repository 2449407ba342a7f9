"""W: what is allowed and rarely meant. `allow(W0401, "why")` in the source switches one off."""

from nesyc.diagnostics.codes.code import Code

_FAMILY = "kb family {\n  relation parent(child: text, parent: text)\n  derived kin(a: text, b: text)\n"

CODES = (
    Code(
        "W0401",
        "variable used once",
        "A variable that occurs once binds nothing together: it is a misspelt other one, or should be `_`.",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, p), parent(q, b);\n}",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, _), parent(_, b);\n}",
    ),
    Code(
        "W0402",
        "rule can never fire",
        "The body contradicts itself, or reads a relation that nothing fills.",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, b), a != a;\n}",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, b), a != b;\n}",
    ),
    Code(
        "W0403",
        "rule implied by another of the same signature",
        "Whatever this rule derives, another rule of the same relation derives too, with no less confidence: its body "
        "asks for more and its head says no more.",
        _FAMILY
        + "  rule up: kin(a, b) :- parent(a, b);\n  rule again: kin(a, b) :- parent(a, b), a != b;\n}",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, b);\n}",
    ),
    Code(
        "W0404",
        "only positive evidence",
        "A learned rule has supporting cases and no counter-example, so nothing says that it was ever tried where it "
        "should not hold, and its confidence says little. `tried = n` in `@learned` counts the cases it was tried on "
        "where it should not hold, and settles the matter.",
        _FAMILY + "  @learned(by = big, support = 4, against = 0)\n"
        "  rule up 0.99: kin(a, b) :- parent(a, b);\n}",
        _FAMILY + "  @learned(by = big, support = 4, against = 1)\n"
        "  rule up 0.80: kin(a, b) :- parent(a, b);\n}",
    ),
    Code(
        "W0405",
        "runs as a loop",
        "A rule that reads its own relation twice, or relations that are defined through each other, have no single "
        "recursive SQL statement: they are computed round by round. The result is the same; large ones take longer.",
        _FAMILY + "  rule up: kin(a, b) :- parent(a, b);\n  rule on: kin(a, c) :- kin(a, b), kin(b, c);\n}",
        _FAMILY
        + "  rule up: kin(a, b) :- parent(a, b);\n  rule on: kin(a, c) :- kin(a, b), parent(b, c);\n}",
    ),
    Code(
        "W0406",
        "confidence without effect",
        "Under `semantics = boolean`, the default, what a rule derives holds or does not hold, and its confidence weighs "
        "nothing. `max_min`, `max_product` and `top_proofs(k)` combine confidences, each in its way.",
        _FAMILY + "  rule up 0.9: kin(a, b) :- parent(a, b);\n}",
        _FAMILY + "  semantics = max_product\n  rule up 0.9: kin(a, b) :- parent(a, b);\n}",
    ),
)
