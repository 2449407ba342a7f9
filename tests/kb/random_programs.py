"""Random rule programs as .nesy text: one number gives one program.

They have linear, non-linear and mutual recursion, negation, aggregates, `or`, comparisons, arithmetic (bounded where
it recurs), text functions, nulls, enums, `unique ... resolve`, constraints, confidences and origins. Relations stand
in levels: a rule reads its own level and lower ones, and lower ones alone under `not` and in aggregates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from random import Random

from programs import COLOURS, Fact, Rule, Source

CONFIDENCES = (1.0, 1.0, 0.9, 0.7, 0.5, 0.3)
ORIGINS = ("human", "human", "human", "teacher", "unreviewed")
TEXTS = ("a", "a", "b", "b", "ab", "É", "")
POOLS = {"text": "xyz", "int": "ijk", "Colour": "cd", "number": "rs"}


@dataclass(frozen=True)
class Relation:
    """`level` 0 is stored; `lonely`: resolved, so that no other of its level may read it."""

    name: str
    types: tuple[str, ...]
    level: int
    nullable: frozenset[int] = frozenset()
    lonely: bool = False
    unique: str = ""

    def declaration(self) -> str:
        columns = ", ".join(
            f"c{i}: {kind}{'?' if i in self.nullable else ''}" for i, kind in enumerate(self.types)
        )
        word = "relation" if self.level == 0 else "derived"
        return f"{word} {self.name}({columns}){f' {{ {self.unique} }}' if self.unique else ''}"


STORED = (
    Relation("e", ("text", "text"), 0),
    Relation("f", ("text",), 0),
    Relation("w", ("text", "int"), 0, frozenset({1})),
    Relation("g", ("Colour", "text"), 0),
    Relation("h", ("int", "number"), 0, unique="unique (c0) resolve highest_conf"),
)
SHAPES = (("text", "text"), ("text", "text"), ("text",), ("text", "int"), ("int",), ("Colour", "text"),
          ("text", "number"), ("int", "int"))  # fmt: skip


def generate(seed: int, semantics: str, *, positive: bool = False) -> Source:
    """The program of a number; the same on every machine. `positive`: without `not`, aggregates and winners."""
    return _Generator(Random(f"{semantics} {seed}"), semantics, positive).run()


@dataclass
class _Body:
    """Literals so far and the variables they bind, with their types."""

    literals: list[str] = field(default_factory=list)
    bound: dict[str, str] = field(default_factory=dict)
    recursive: bool = False

    def of_type(self, kind: str) -> list[str]:
        return [name for name, found in self.bound.items() if found == kind]


@dataclass
class _Generator:
    random: Random
    semantics: str
    positive: bool
    relations: list[Relation] = field(default_factory=list)

    def run(self) -> Source:
        stored = [replace(one, unique="") for one in STORED] if self.positive else STORED
        self.relations = [*stored, *self._derived()]
        derived = [relation for relation in self.relations if relation.level]
        rules = []
        for relation in derived:
            rules.append(self._rule(f"r{len(rules)}", relation, first=True))
            for _ in range(self.random.choice((0, 1, 1, 2))):
                rules.append(self._rule(f"r{len(rules)}", relation))
        k = self.random.randint(1, 4)
        return Source(
            f"top_proofs(k = {k})" if self.semantics == "top_proofs" else self.semantics,
            self.random.choice(("origin_cap()", "origin_cap(human = 1.0, teacher = 0.8, unreviewed = 0.6)")),
            tuple(relation.declaration() for relation in self.relations),
            tuple(self._facts()),
            tuple(rules),
            tuple(self._constraints()),
        )

    def _derived(self) -> Iterator[Relation]:
        level = 1
        for number in range(self.random.randint(2, 5)):
            types = self.random.choice(SHAPES)
            lonely = self.random.random() < 0.2 and not self.positive
            if lonely or self.random.random() < 0.5:
                level += 1
            unique = f"unique (c{self.random.randrange(len(types))}) resolve highest_conf" if lonely else ""
            yield Relation(f"d{number}", types, level, lonely=lonely, unique=unique)
            level += lonely

    def _facts(self) -> Iterator[Fact]:
        for relation in STORED:
            for _ in range(self.random.randint(2, 6 if relation.name == "e" else 4)):
                values = [
                    "null" if i in relation.nullable and self.random.random() < 0.3 else self._constant(kind)
                    for i, kind in enumerate(relation.types)
                ]
                row = f"({', '.join(values)}) {self.random.choice(CONFIDENCES)}"
                yield Fact(relation.name, row, self.random.choice(ORIGINS))

    def _constant(self, kind: str) -> str:
        match kind:
            case "text":
                return f'"{self.random.choice(TEXTS)}"'
            case "int":
                return str(self.random.randint(-2, 3))
            case "number":
                return self.random.choice(("0.5", "-1.0", "2.0"))
            case _:
                return f".{self.random.choice(COLOURS)}"

    def _constraints(self) -> Iterator[str]:
        for number in range(self.random.choice((0, 1, 2, 3))):
            body = self._body(None, first=self.random.random() < 0.3)
            at = self.random.choice(("", " at 0.5"))
            yield f"forbid f{number}{at}: {', '.join(self._guarded('', body))};"

    def _rule(self, name: str, head: Relation, first: bool = False) -> Rule:
        """A rule for `head`; its first one reads little, so that most relations have rows."""
        body = self._body(head, first)
        arguments = [self._argument(kind, body) for kind in head.types]
        written = f"{head.name}({', '.join(arguments)})"
        literals = self._guarded(written, body)
        self.random.shuffle(literals)
        confidence, origin = self.random.choice(CONFIDENCES), self.random.choice(ORIGINS)
        return Rule(name, confidence, written, tuple(literals), origin)

    def _guarded(self, head: str, body: _Body) -> list[str]:
        """The literals, with `known(x)` for what comes from a nullable column and is used further (else E0305)."""
        literals = list(body.literals)
        for index, literal in enumerate(body.literals):
            for atom, name in re.findall(r"(?<!not )\b(w\([^()]*, (\w+)\))", literal):
                everything = ", ".join([head, *literals])
                if not name.isidentifier() or name == "_" or f"known({name})" in everything:
                    continue
                if len(re.findall(rf"\b{name}\b", everything)) == 1:
                    if self.random.random() < 0.3 and literal == atom:
                        literals.append(
                            f"{'' if self.positive else self.random.choice(('', 'not '))}known({name})"
                        )
                elif name in body.bound:
                    literals.append(f"known({name})")
                else:
                    literals[index] = literals[index].replace(atom, f"{atom}, known({name})", 1)
        return literals

    def _argument(self, kind: str, body: _Body) -> str:
        """A head's value: a variable, else computed, else a constant."""
        known = body.of_type(kind)
        roll = self.random.random()
        if kind == "text" and known and roll < 0.1 and not body.recursive:
            return f'concat({self.random.choice(known)}, "b")'
        if kind == "int" and known and roll < 0.15 and not body.recursive:
            return f"{self.random.choice(known)} {self.random.choice('+-*')} {self.random.randint(0, 3)}"
        if kind == "number" and (numbers := [*known, *body.of_type("int")]):
            left = self.random.choice(numbers)
            return f"{left} / {self.random.choice(numbers)}" if roll < 0.5 and not body.recursive else left
        return self.random.choice(known) if known and roll < 0.95 else self._constant(kind)

    def _body(self, head: Relation | None, first: bool = False) -> _Body:
        level = head.level if head is not None else 99
        body = _Body()
        readable = [
            r for r in self.relations if r.level < level or (r.level == level and not r.lonely) or r == head
        ]
        own = [r for r in readable if r.level == level]
        lower = [r for r in self.relations if r.level < level]
        if first:
            body.literals.append(self._atom(self.random.choice(lower), body))
            return body
        for _ in range(self.random.choice((1, 1, 2, 2, 3))):
            chosen = self.random.choice(own if own and self.random.random() < 0.35 else readable)
            body.recursive |= chosen.level == level
            body.literals.append(self._atom(chosen, body))
        for extra in (self._comparison, self._binding):
            if self.random.random() < 0.3:
                extra(body)
        for extend in (self._negation, self._either, self._aggregate):
            if self.random.random() < 0.25 and not (self.positive and extend != self._either):
                extend(body, lower)
        return body

    def _atom(self, relation: Relation, body: _Body) -> str:
        """A positive atom, which binds its variables."""
        arguments = []
        for kind in relation.types:
            roll = self.random.random()
            if roll < 0.1:
                arguments.append("_")
            elif roll < 0.2:
                arguments.append(self._constant(kind))
            else:
                name = self.random.choice(POOLS[kind])
                body.bound[name] = kind
                arguments.append(name)
        return f"{relation.name}({', '.join(arguments)})"

    def _test_atom(self, relation: Relation, body: _Body) -> str:
        """An atom over what is bound already."""
        arguments = []
        for kind in relation.types:
            known = body.of_type(kind)
            roll = self.random.random()
            if known and roll < 0.7:
                arguments.append(self.random.choice(known))
            else:
                arguments.append("_" if roll < 0.9 else self._constant(kind))
        return f"{relation.name}({', '.join(arguments)})"

    def _negation(self, body: _Body, lower: list[Relation]) -> None:
        body.literals.append(f"not {self._test_atom(self.random.choice(lower), body)}")

    def _either(self, body: _Body, lower: list[Relation]) -> None:
        """Branches that test, or that bind one variable alike."""
        if self.random.random() < 0.3:
            left, right = (f"k = {self._constant('int')}" for _ in range(2))
            if "k" not in body.bound:
                body.bound["k"] = "int"
                body.literals.append(f"or ({left}, {right})")
            return
        options = [self._test_atom(self.random.choice(lower), body)]
        options.append(self._test(body) or self._test_atom(self.random.choice(lower), body))
        body.literals.append(f"or ({', '.join(options)})")

    def _comparison(self, body: _Body) -> None:
        if test := self._test(body):
            body.literals.append(test)

    def _test(self, body: _Body) -> str | None:
        kind = self.random.choice(("text", "int", "Colour", "number"))
        known = body.of_type(kind)
        if not known:
            return None
        left, right = (
            self.random.choice(known),
            self.random.choice((self.random.choice(known), self._constant(kind))),
        )
        if kind == "text" and self.random.random() < 0.4:
            function = self.random.choice(("contains", "starts_with", "matches"))
            return f'{function}({left}, "{self.random.choice(("a", "b", "É", "ab"))}")'
        if kind == "text" and self.random.random() < 0.3:
            changed = self.random.choice((f"upper({left})", f"lower({left})", f'replace({left}, "a", "b")'))
            return f"{changed} != {right}"
        if kind == "int" and self.random.random() < 0.6:
            return f"{left} {self.random.choice('+-*%')} 2 {self.random.choice(('<', '>=', '=='))} {right}"
        signs = ("!=", "==") if kind == "Colour" else ("!=", "==", "<", "<=", ">", ">=")
        return f"{left} {self.random.choice(signs)} {right}"

    def _binding(self, body: _Body) -> None:
        """A computed variable, bounded on both sides where its rule is recursive."""
        texts, ints = body.of_type("text"), body.of_type("int")
        if texts and "i" not in body.bound and self.random.random() < 0.4:
            body.literals.append(f"i = length({self.random.choice(texts)})")
            body.bound["i"] = "int"
        elif ints and "j" not in body.bound:
            body.literals.append(
                f"j = {self.random.choice(ints)} {self.random.choice('+-*')} {self.random.randint(-2, 2)}"
            )
            body.literals += ["j < 5", "j > -5"] if body.recursive else []
            body.bound["j"] = "int"
        elif texts and "z" not in body.bound:
            body.literals.append(f'z = concat({self.random.choice(texts)}, "a")')
            body.literals += ["length(z) < 4"] if body.recursive else []
            body.bound["z"] = "text"

    def _aggregate(self, body: _Body, lower: list[Relation]) -> None:
        """Over a body of one or two atoms of lower levels, grouped by what it shares with the rule's."""
        inner = _Body(bound=dict(body.bound))
        before = set(body.bound)
        for _ in range(self.random.choice((1, 1, 2))):
            inner.literals.append(self._atom(self.random.choice(lower), inner))
        if self.random.random() < 0.3:
            self._comparison(inner)
        if self.random.random() < 0.2:
            self._negation(inner, lower)
        local = {name: kind for name, kind in inner.bound.items() if name not in before}
        function = self.random.choice(("count", "count", "sum", "min", "max", "avg"))
        wanted = ("int", "number") if function in ("sum", "avg") else ("int", "number", "text", "Colour")
        wanted = wanted[:3] if function in ("min", "max") else wanted
        names = [name for name, kind in local.items() if kind in wanted]
        if not names:
            return
        term = self.random.choice(names)
        kind = {"count": "int", "avg": "number"}.get(function, local[term])
        braces = f"{function}({term}: {', '.join(inner.literals)})"
        free = [name for name in POOLS[kind] if name not in inner.bound]
        if free and self.random.random() < 0.7:
            body.literals.append(f"{free[0]} = {braces}")
            body.bound[free[0]] = kind
        else:
            body.literals.append(
                f"{braces} {self.random.choice(('==', '!=', '>', '<='))} {self._constant(kind)}"
            )
