"""Knowledge bases built by hand, for tests of the emitter and of the engine."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.ir import nodes as ir

PLACE = ir.Location("kb.nesy", 1, 1, 1, 2)
TEXT, INT, NUMBER, BOOL = ir.Type("text"), ir.Type("int"), ir.Type("number"), ir.Type("bool")


def at(line: int, file: str = "kb.nesy") -> ir.Location:
    return ir.Location(file, line, 1, line, 2)


def var(name: str | None, type_: ir.Type = TEXT) -> ir.Var:
    return ir.Var(name, type_)


def const(value: ir.Scalar, type_: ir.Type = TEXT) -> ir.Const:
    return ir.Const(value, type_)


def term_text(term: ir.Term) -> str:
    match term:
        case ir.Var():
            return term.name or "_"
        case ir.Const():
            if term.type.base == "enum":
                return f".{term.value}"
            return f'"{term.value}"' if isinstance(term.value, str) else str(term.value)
        case ir.Apply():
            return f"{term.function}({', '.join(map(term_text, term.arguments))})"


def atom(relation: str, *terms: ir.Term, negated: bool = False) -> ir.AtomLiteral:
    text = f"{'not ' if negated else ''}{relation}({', '.join(map(term_text, terms))})"
    return ir.AtomLiteral(relation, terms, PLACE, text, negated)


def compare(left: ir.Term, operator: str, right: ir.Term) -> ir.CompareLiteral:
    return ir.CompareLiteral(operator, left, right, PLACE, f"{term_text(left)} {operator} {term_text(right)}")


def count(result: ir.Term, term: ir.Term, *body: ir.BodyLiteral, groups: Sequence[str], function: str = "count",
          operator: str = "=") -> ir.AggregateLiteral:  # fmt: skip
    text = f"{term_text(result)} {operator} {function}({term_text(term)}: {', '.join(b.text for b in body)})"
    return ir.AggregateLiteral(operator, result, function, term, body, tuple(groups), PLACE, text)  # type: ignore[arg-type]


def either(*options: ir.BodyLiteral) -> ir.OrLiteral:
    return ir.OrLiteral(options, PLACE, f"or ({', '.join(o.text for o in options)})")


def rule(name: str, head: ir.AtomLiteral, *body: ir.BodyLiteral, conf: float = 1.0, origin: str = "human",
         line: int = 1, file: str = "kb.nesy", active: bool = True) -> ir.Rule:  # fmt: skip
    text = f"{head.text} :- {', '.join(b.text for b in body)};"
    return ir.Rule(name, conf, head, body, origin, active, at(line, file), text)  # type: ignore[arg-type]


def relation(name: str, *columns: tuple[str, ir.Type], derived: bool = False, key: Sequence[str] = (),
             unique: ir.Unique | None = None, say: str | None = None, fulltext: Sequence[str] = (),
             indexes: Sequence[tuple[str, ...]] = (), references: dict[str, str] | None = None,
             line: int = 1) -> ir.Relation:  # fmt: skip
    return ir.Relation(
        name,
        derived,
        tuple(ir.KbColumn(c, t, (references or {}).get(c)) for c, t in columns),
        tuple(key),
        tuple(indexes),
        unique,
        tuple(fulltext),
        None,
        False,
        say,
        at(line),
    )


def fact(relation: str, *values: ir.Scalar, conf: float = 1.0, origin: str = "human", line: int = 1,
         file: str = "kb.nesy") -> ir.Fact:  # fmt: skip
    return ir.Fact(relation, values, conf, origin, at(line, file))  # type: ignore[arg-type]


def kb(relations: Sequence[ir.Relation], facts: Sequence[ir.Fact], rules: Sequence[ir.Rule],
       strata: Sequence[Sequence[str]], *, semantics: str = "boolean", k: int = 3, ceiling: ir.Ceiling | None = None,
       constraints: Sequence[ir.Constraint] = (), fact_files: Sequence[ir.FactFile] = (),
       enums: Sequence[ir.Enum] = ()) -> ir.Kb:  # fmt: skip
    """`strata` lists the relations of each stratum in order."""
    return ir.Kb(
        "test", "kb.db", ir.Semantics(semantics, k), ceiling or ir.Ceiling(), "auto", tuple(relations),  # type: ignore[arg-type]
        tuple(facts), tuple(fact_files), tuple(rules), tuple(constraints),
        tuple(_stratum(group, rules) for group in strata), PLACE, tuple(enums),
    )  # fmt: skip


def _stratum(group: Sequence[str], rules: Sequence[ir.Rule]) -> ir.Stratum:
    own = [r for r in rules if r.head.relation in group]
    reads = {lit.relation for r in own for lit in _atoms(r.body)}
    return ir.Stratum(tuple(group), tuple(r.name for r in own if r.active), bool(reads & set(group)))


def _atoms(body: Sequence[ir.BodyLiteral]) -> list[ir.AtomLiteral]:
    found: list[ir.AtomLiteral] = []
    for literal in body:
        if isinstance(literal, ir.AtomLiteral):
            found.append(literal)
        elif isinstance(literal, ir.OrLiteral):
            found += _atoms(literal.branches)
    return found


KIN_NAMES = (
    "father",
    "mother",
    "son",
    "daughter",
    "brother",
    "sister",
    "uncle",
    "aunt",
    "grandfather",
    "grandmother",
)
KIN = ir.Type("enum", enum="Kin")


def family() -> ir.Kb:
    """The kinship sample, its compose table written out."""
    a, b, c, p, n = var("a"), var("b"), var("c"), var("p"), var("n", INT)
    r, r1, r2 = var("r", KIN), var("r1", KIN), var("r2", KIN)
    any_text, any_kin = var(None), var(None, KIN)
    compose = [("father", "father", "grandfather"), ("father", "mother", "grandmother"),
               ("mother", "father", "grandfather"), ("mother", "mother", "grandmother"),
               ("father", "brother", "uncle"), ("father", "sister", "aunt"), ("mother", "brother", "uncle"),
               ("mother", "sister", "aunt")]  # fmt: skip
    facts = [fact("person", name, line=66) for name in ("ann", "bob", "carl", "dora")]
    facts += [fact("parent", "ann", "bob", "father", line=67), fact("parent", "bob", "carl", "father", conf=0.95, line=67),
              fact("parent", "dora", "bob", "father", line=67)]  # fmt: skip
    facts += [fact("compose", *row, line=i, file="kb/compose.csv") for i, row in enumerate(compose, 2)]
    rules = [
        rule("kin_base", atom("kin", a, b, r), atom("parent", a, b, r), line=70),
        rule("kin_chain", atom("kin", a, c, r), atom("kin", a, b, r1), atom("parent", b, c, r2),
             atom("compose", r1, r2, r), compare(a, "!=", c), conf=0.92, line=71),
        rule("sib", atom("sibling", a, b), atom("parent", a, p, any_kin), atom("parent", b, p, any_kin),
             compare(a, "!=", b), line=72),
        rule("no_sib", atom("only_child", a), atom("person", a), atom("sibling", a, any_text, negated=True), line=73),
        rule("sib_n", atom("sibling_count", a, n), atom("person", a), count(n, b, atom("sibling", a, b), groups=["a"]),
             line=74),
    ]  # fmt: skip
    constraints = [
        ir.Constraint("self_parent", None, (atom("parent", a, a, any_kin),), True, at(75), "parent(a, a, _)"),
        ir.Constraint("own_kin", None, (atom("kin", a, a, any_kin),), True, at(76), "kin(a, a, _)"),
    ]
    relations = [
        relation("person", ("name", TEXT), key=["name"], line=50),
        relation("parent", ("child", TEXT), ("parent", TEXT), ("role", KIN), key=["child", "parent"],
                 indexes=[("parent",)], references={"child": "person", "parent": "person"}, line=51),
        relation("compose", ("first", KIN), ("second", KIN), ("out", KIN), key=["first", "second"], line=55),
        relation("kin", ("a", TEXT), ("b", TEXT), ("rel", KIN), derived=True, line=57,
                 unique=ir.Unique(("a", "b"), "highest_conf"), say="{b} is the {rel} of {a}."),
        relation("sibling", ("a", TEXT), ("b", TEXT), derived=True, line=58),
        relation("only_child", ("a", TEXT), derived=True, line=59),
        relation("sibling_count", ("a", TEXT), ("n", INT), derived=True, line=60),
        relation("lesson", ("id", INT), ("title", TEXT), ("body", TEXT), ("trigger", ir.Type("text", True)),
                 key=["id"], fulltext=["title", "body"], line=62),
    ]  # fmt: skip
    return kb(
        relations, facts, rules, [["kin"], ["sibling"], ["only_child"], ["sibling_count"]],
        semantics="top_proofs", k=3, ceiling=ir.Ceiling(1.0, 0.9, 0.6), constraints=constraints,
        enums=[ir.Enum("Kin", KIN_NAMES, at(5))],
    )  # fmt: skip
