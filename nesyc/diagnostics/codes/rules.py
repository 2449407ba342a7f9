"""E04: rules."""

from nesyc.diagnostics.codes.code import Code

_FAMILY = "kb family {\n  relation parent(child: text, parent: text)\n"
_PEOPLE = "kb family {\n  relation person(name: text)\n  relation parent(child: text, parent: text)\n"

CODES = (
    Code(
        "E0401",
        "unbound head variable",
        "A variable of the head occurs in no positive literal of the body, so the rule would hold for every value "
        "there is.",
        _FAMILY + "  derived kin(a: text, b: text, c: text)\n  rule up: kin(a, b, c) :- parent(a, b);\n}",
        _FAMILY + "  derived kin(a: text, b: text)\n  rule up: kin(a, b) :- parent(a, b);\n}",
    ),
    Code(
        "E0402",
        "variable only under `not`",
        "A negated literal says what a value is not and cannot produce one, so another literal has to say which "
        "values are meant.",
        _PEOPLE + "  derived orphan(a: text)\n  rule lone: orphan(a) :- not parent(a, _);\n}",
        _PEOPLE + "  derived orphan(a: text)\n  rule lone: orphan(a) :- person(a), not parent(a, _);\n}",
    ),
    Code(
        "E0403",
        "negation in a cycle",
        "A relation depends on its own absence, so there is no order in which it could be computed. The message "
        "prints the cycle; break it with a relation that is computed before.",
        _PEOPLE + "  derived in_(a: text)\n  derived out(a: text)\n"
        "  rule i: in_(a) :- person(a), not out(a);\n  rule o: out(a) :- person(a), not in_(a);\n}",
        _PEOPLE + "  derived in_(a: text)\n  derived out(a: text)\n"
        "  rule i: in_(a) :- person(a), parent(a, _);\n  rule o: out(a) :- person(a), not in_(a);\n}",
    ),
    Code(
        "E0404",
        "aggregate or `resolve` in a cycle",
        "An aggregate or a `resolve` reads a relation that depends on its result: the count would change what is "
        "counted. They read finished relations only.",
        _FAMILY + "  derived size(a: text, n: int)\n"
        "  rule grow: size(a, n) :- parent(a, _), n = count(b: size(b, _));\n}",
        _FAMILY + "  derived size(a: text, n: int)\n"
        "  rule grow: size(a, n) :- parent(a, _), n = count(b: parent(b, a));\n}",
    ),
    Code(
        "E0405",
        "aggregate group unbound",
        "A variable inside an aggregate and in the head, but in no literal outside: it is the aggregate's own, and "
        "groups come from the variables bound outside.",
        _FAMILY + "  derived children(p: text, n: int)\n"
        "  rule c: children(p, n) :- n = count(a: parent(a, p));\n}",
        _FAMILY + "  derived children(p: text, n: int)\n"
        "  rule c: children(p, n) :- parent(_, p), n = count(a: parent(a, p));\n}",
    ),
    Code(
        "E0406",
        "unbounded arithmetic recursion",
        "A recursive rule computes new numbers without a bound, so it may never end.",
        "kb steps {\n  relation start(n: int)\n  derived reached(n: int)\n  rule first: reached(n) :- start(n);\n"
        "  rule next: reached(m) :- reached(n), m = n + 1;\n}",
        "kb steps {\n  relation start(n: int)\n  derived reached(n: int)\n  rule first: reached(n) :- start(n);\n"
        "  rule next: reached(m) :- reached(n), m = n + 1, m <= 100;\n}",
    ),
    Code(
        "E0407",
        "rule writes a stored relation, or a fact a derived one",
        "A `relation` is stored and filled by facts, loaders, stages and people; a `derived` one only by rules. So "
        "it is always clear where a row comes from.",
        _FAMILY + "  rule sym: parent(b, a) :- parent(a, b);\n}",
        _FAMILY + "  derived related(a: text, b: text)\n  rule sym: related(b, a) :- parent(a, b);\n}",
    ),
)
