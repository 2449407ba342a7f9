"""The language's definition of what a KB derives, as plain Python without a thought for speed.

Written from the language's own words: every substitution is enumerated, strata are recomputed from scratch round
after round. Nothing here is shared with the compiler but the IR's nodes; not even its strata are.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

from nesyc.ir import nodes as ir

Fact = tuple[str, tuple[Any, ...]]
Env = dict[str, Any]
COMPARE = {"=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
           ">": operator.gt, ">=": operator.ge}  # fmt: skip
ORIGINS = ("human", "teacher", "unreviewed")
FUNCTIONS = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "neg": operator.neg,
    "/": lambda a, b: a / b, "%": lambda a, b: abs(a) % abs(b) * (-1 if a < 0 else 1),
    "concat": lambda *a: "".join(map(str, a)), "lower": str.lower, "upper": str.upper, "length": len,
    "contains": lambda a, b: b in a, "starts_with": str.startswith,
    "replace": lambda a, b, c: a.replace(b, c) if b else a,
    "matches": lambda a, b: re.search(b, a) is not None,
}  # fmt: skip


@dataclass
class World:
    """What is known: the rows queries see by relation, confidences, and for `top_proofs` leaf sets, the rule that
    ends each, and leaves' values and caps."""

    kb: ir.Kb
    seen: dict[str, set[tuple[Any, ...]]] = field(default_factory=dict)
    conf: dict[Fact, float] = field(default_factory=dict)
    sets: dict[Fact, list[frozenset[Any]]] = field(default_factory=dict)
    rule: dict[tuple[Fact, frozenset[Any]], str] = field(default_factory=dict)
    leaf: dict[Any, tuple[float, float]] = field(default_factory=dict)


def evaluate(kb: ir.Kb) -> World:
    """Everything the KB derives: rows as queries see them, their confidences (1.0 under boolean)."""
    world = World(kb, {relation.name: set() for relation in kb.relations})
    relations = {relation.name: relation for relation in kb.relations}
    written = _stored(world)
    for relation in kb.relations:
        _resolve(world, relation, written)
    for names in strata(kb):
        rules = [rule for rule in kb.rules if rule.head.relation in names and rule.active]
        {"top_proofs": _top_proofs}.get(kb.semantics.kind, _best)(world, rules)
        for name in names:
            _resolve(world, relations[name], world.conf)
    return world


def _stored(world: World) -> dict[Fact, float]:
    """Facts, each once by its strongest claim; gives the confidences as capped, which boolean does not use."""
    kb = world.kb
    claims: dict[Fact, list[tuple[float, int, str]]] = {}
    for fact in kb.facts:
        value = min(fact.confidence, cap(kb, fact.origin))
        claims.setdefault((fact.relation, fact.values), []).append(
            (-value, ORIGINS.index(fact.origin), fact.origin)
        )
    written = {}
    for one, found in claims.items():
        value, _, origin = min(found)
        written[one] = -value
        world.seen[one[0]].add(one[1])
        world.conf[one] = -value if kb.semantics.kind != "boolean" else 1.0
        world.leaf[one] = (world.conf[one], cap(kb, origin))
        world.sets[one] = [frozenset([one])]
    return written


def strata(kb: ir.Kb) -> list[set[str]]:
    """Derived relations that read each other, directly or not, and before them what they read."""
    derived = [relation.name for relation in kb.relations if relation.derived]
    reads = {name: {r for rule in kb.rules if rule.active and rule.head.relation == name for r in _read(rule.body)}
             for name in derived}  # fmt: skip
    below = {name: set(found) for name, found in reads.items()}
    for _ in derived:
        for name in derived:
            below[name] |= {r for other in below[name] if other in below for r in below[other]}
    groups: list[set[str]] = []
    for name in derived:
        group = {name} | {other for other in below[name] if name in below.get(other, ())}
        if group not in groups:
            groups.append(group)
    return sorted(groups, key=lambda group: len(set().union(*(below[name] | {name} for name in group))))


def _read(literals: Sequence[ir.BodyLiteral]) -> Iterator[str]:
    for literal in literals:
        match literal:
            case ir.AtomLiteral():
                yield literal.relation
            case ir.OrLiteral():
                yield from _read(literal.branches)
            case ir.AggregateLiteral():
                yield from _read(literal.body)


def cap(kb: ir.Kb, origin: str) -> float:
    return float(getattr(kb.ceiling, origin))


def _best(world: World, rules: Sequence[ir.Rule]) -> None:
    """boolean, max_min, max_product: the greatest value over all proofs, by rounds of full recomputation."""
    kind = world.kb.semantics.kind
    while True:
        changed = False
        for rule in rules:
            for env, facts in list(solve(world, rule.body, {})):
                head = head_of(world.kb, rule, env)
                if head is None:
                    continue
                parts = [
                    min(rule.confidence, cap(world.kb, rule.origin)),
                    *(world.conf[fact] for fact in facts),
                ]
                value = {"boolean": 1.0, "max_min": min(parts)}.get(kind, math.prod(parts))
                if value > world.conf.get(head, 0.0):
                    world.conf[head] = value
                    world.seen[head[0]].add(head[1])
                    changed = True
        if not changed:
            return


def _top_proofs(world: World, rules: Sequence[ir.Rule]) -> None:
    """Rounds over the stratum: the k best minimal of the sets a fact has and those the last round's sets give it."""
    heads: set[Fact] = set()
    while True:
        found: dict[Fact, dict[frozenset[Any], str]] = {}
        for rule in rules:
            for env, facts in list(solve(world, rule.body, {})):
                head = head_of(world.kb, rule, env)
                if head is None:
                    continue
                instance = (rule.name, tuple(sorted(env.items(), key=lambda item: item[0])))
                own = cap(world.kb, rule.origin)
                world.leaf[instance] = (min(rule.confidence, own), own)
                best = found.setdefault(
                    head, {leaves: world.rule[head, leaves] for leaves in world.sets.get(head, ())}
                )
                for chosen in product(*(world.sets[fact] for fact in facts)):
                    leaves = frozenset([instance]).union(*chosen)
                    best[leaves] = min(rule.name, best.get(leaves, rule.name))
        new = {head: _k_best(world, sets) for head, sets in found.items()}
        if all(world.sets.get(head) == sets for head, sets in new.items()):
            break
        for head, sets in new.items():
            heads.add(head)
            world.sets[head] = sets
            world.rule |= {(head, leaves): found[head][leaves] for leaves in sets}
            world.seen[head[0]].add(head[1])
    for head in heads:
        world.conf[head] = _union(world, world.sets[head])


def _k_best(world: World, sets: Mapping[frozenset[Any], str]) -> list[frozenset[Any]]:
    """The k best minimal sets. Ties: fewer leaves, rule name, the facts as written, the rule instances as written."""
    minimal = [s for s in sets if not any(other < s for other in sets)]

    def order(leaves: frozenset[Any]) -> tuple[Any, ...]:
        value = math.prod(sorted(world.leaf[leaf][0] for leaf in leaves))
        written = {leaf: f"{leaf[0]} {json.dumps(leaf[1], ensure_ascii=False)}" for leaf in leaves}
        facts = sorted(written[leaf] for leaf in leaves if leaf[0] in world.seen)
        rules = sorted(written[leaf] for leaf in leaves if leaf[0] not in world.seen)
        return -round(value, 12), len(leaves), sets[leaves], facts, rules

    return sorted(minimal, key=order)[: world.kb.semantics.k]


def _union(world: World, sets: list[frozenset[Any]]) -> float:
    total = 0.0
    for size in range(1, len(sets) + 1):
        for chosen in combinations(sets, size):
            joint = math.prod(world.leaf[leaf][0] for leaf in frozenset().union(*chosen))
            total += joint if size % 2 else -joint
    return min(total, min((world.leaf[leaf][1] for leaf in sets[0]), default=1.0))


def _resolve(world: World, relation: ir.Relation, conf: Mapping[Fact, float]) -> None:
    """Winners of `unique (...) resolve highest_conf`: confidences equal to 12 digits tie: column order, nulls first,
    enums by declaration."""
    if relation.unique is None or relation.unique.resolve is None:
        return
    names = [column.name for column in relation.columns]
    orders = {enum.name: enum.constants for enum in world.kb.enums}

    def rank(row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = [
            orders[c.type.enum].index(v)
            if c.type.base == "enum" and c.type.enum in orders and v is not None
            else v
            for c, v in zip(relation.columns, row, strict=True)
        ]
        return (-round(conf[relation.name, row], 12), *((v is not None, v) for v in values))

    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in world.seen[relation.name]:
        key = tuple(row[names.index(column)] for column in relation.unique.columns)
        groups.setdefault(key, []).append(row)
    world.seen[relation.name] = {min(rows, key=rank) for rows in groups.values()}


def broken(world: World) -> list[tuple[str, float]]:
    """The constraints that do not hold: one entry for each way, with the confidence of its facts together."""
    found = []
    for constraint in world.kb.constraints:
        for _, facts in solve(world, constraint.body, {}):
            conf = _together(world, [facts])
            # to 12 digits: the order in which confidences are multiplied decides nothing
            if round(conf, 12) >= (constraint.confidence or 0.0):
                found.append((constraint.name, conf))
    return found


def answers(
    world: World, literals: Sequence[ir.BodyLiteral], columns: Sequence[str]
) -> dict[tuple[Any, ...], float]:
    """What a query gives: each answer with its confidence, as a fact derived by one sure rule."""
    ways: dict[tuple[Any, ...], list[tuple[Fact, ...]]] = {}
    for env, facts in solve(world, literals, {}):
        ways.setdefault(tuple(env[name] for name in columns), []).append(facts)
    return {answer: _together(world, found) for answer, found in ways.items()}


def _together(world: World, ways: Sequence[tuple[Fact, ...]]) -> float:
    kind = world.kb.semantics.kind
    if kind == "boolean":
        return 1.0
    if kind != "top_proofs":
        combine: Callable[[list[float]], float] = min if kind == "max_min" else math.prod
        return max(combine([1.0, *(world.conf[fact] for fact in facts)]) for facts in ways)
    sets = {
        frozenset().union(*chosen): ""
        for facts in ways
        for chosen in product(*(world.sets[f] for f in facts))
    }
    return _union(world, _k_best(world, sets))


def head_of(kb: ir.Kb, rule: ir.Rule, env: Env) -> Fact | None:
    """What a rule says under a substitution, None where a column cannot hold it; whole numbers become reals."""
    relation = next(r for r in kb.relations if r.name == rule.head.relation)
    row = []
    for column, term in zip(relation.columns, rule.head.terms, strict=True):
        value = value_of(term, env)
        if value is None and not column.type.nullable:
            return None
        row.append(float(value) if column.type.base in ("number", "usd") and value is not None else value)
    return relation.name, tuple(row)


def solve(
    world: World, literals: Sequence[ir.BodyLiteral], env: Env, facts: tuple[Fact, ...] = (), place: str = ""
) -> Iterator[tuple[Env, tuple[Fact, ...]]]:
    """Every substitution that makes all literals true, with the facts its positive atoms stand on.

    A wildcard is a variable of its own, named by where it stands.
    """
    todo = [(f"{place}{i}", literal) for i, literal in enumerate(literals)]
    yield from _solve(world, todo, env, facts)


def _solve(
    world: World, todo: list[tuple[str, ir.BodyLiteral]], env: Env, facts: tuple[Fact, ...]
) -> Iterator[tuple[Env, tuple[Fact, ...]]]:
    if not todo:
        yield env, facts
        return
    index = next(i for i, (_, literal) in enumerate(todo) if ready(literal, env))
    place, literal = todo[index]
    rest = [*todo[:index], *todo[index + 1 :]]
    match literal:
        case ir.AtomLiteral(negated=False):
            for row in tuple(world.seen[literal.relation]):
                bound = match_row(literal, row, env, place)
                if bound is not None:
                    yield from _solve(world, rest, bound, (*facts, (literal.relation, row)))
        case ir.AtomLiteral():
            if not any(
                match_row(literal, row, dict(env), place) is not None for row in world.seen[literal.relation]
            ):
                yield from _solve(world, rest, env, facts)
        case ir.OrLiteral():
            for branch, option in enumerate(literal.branches):
                yield from _solve(world, [(f"{place}.{branch}", option), *rest], env, facts)
        case ir.KnownLiteral():
            if (env[literal.variable] is not None) != literal.negated:
                yield from _solve(world, rest, env, facts)
        case ir.CompareLiteral():
            bound = compared(literal.operator, literal.left, literal.right, env)
            if bound is not None:
                yield from _solve(world, rest, bound, facts)
        case ir.AggregateLiteral():
            value = aggregate(world, literal, env, place)
            if value is not None:
                bound = compared(literal.operator, literal.result, ir.Const(value, ir.Type("int")), env)
                if bound is not None:
                    yield from _solve(world, rest, bound, facts)


def ready(literal: ir.BodyLiteral, env: Env) -> bool:
    match literal:
        case ir.AtomLiteral():
            needed = (
                literal.terms if literal.negated else [t for t in literal.terms if isinstance(t, ir.Apply)]
            )
            return all(name in env for term in needed for name in names_of(term))
        case ir.OrLiteral():
            return all(ready(branch, env) for branch in literal.branches)
        case ir.KnownLiteral():
            return literal.variable in env
        case ir.AggregateLiteral():
            bare = literal.operator == "=" and isinstance(literal.result, ir.Var)
            return all(g in env for g in literal.groups) and (
                bare or all(n in env for n in names_of(literal.result))
            )
        case ir.CompareLiteral():
            left, right = (all(n in env for n in names_of(t)) for t in (literal.left, literal.right))
            if literal.operator != "=":
                return left and right
            return (left and (right or isinstance(literal.right, ir.Var))) or (
                right and isinstance(literal.left, ir.Var)
            )


def names_of(term: ir.Term) -> list[str]:
    if isinstance(term, ir.Var):
        return [term.name] if term.name else []
    return [n for a in term.arguments for n in names_of(a)] if isinstance(term, ir.Apply) else []


def match_row(atom: ir.AtomLiteral, row: tuple[Any, ...], env: Env, place: str) -> Env | None:
    """The substitution extended so that the atom is this row; a null equals nothing."""
    bound = dict(env)
    for index, (term, value) in enumerate(zip(atom.terms, row, strict=True)):
        if isinstance(term, ir.Var) and term.name is None:
            bound[f"{place}/{index}"] = value
        elif isinstance(term, ir.Var) and term.name not in bound:
            bound[term.name] = value
        else:
            known = value_of(term, bound)
            if known is None or value is None or known != value:
                return None
    return bound


def value_of(term: ir.Term, env: Env) -> Any:
    match term:
        case ir.Var():
            return env[term.name]
        case ir.Const():
            return term.value
        case ir.Apply():
            values = [value_of(argument, env) for argument in term.arguments]
            if any(value is None for value in values) or (term.function in ("/", "%") and values[1] == 0):
                return None
            value = FUNCTIONS[term.function](*values)
            return int(value) if term.type.base == "int" else value


def compared(sign: str, left: ir.Term, right: ir.Term, env: Env) -> Env | None:
    for variable, other in ((left, right), (right, left)):
        if sign == "=" and isinstance(variable, ir.Var) and variable.name not in env:
            value = value_of(other, env)
            return None if value is None else {**env, variable.name: value}
    first, second = value_of(left, env), value_of(right, env)
    if first is None or second is None:
        return None
    return env if COMPARE[sign](first, second) else None


def aggregate(world: World, literal: ir.AggregateLiteral, env: Env, place: str) -> Any:
    """`count` of the term's distinct values; the others over the distinct bindings of the named variables."""
    groups = {name: env[name] for name in literal.groups}
    found = [bound for bound, _ in solve(world, literal.body, groups, (), f"{place}:")]
    if literal.function == "count":
        return len({value_of(literal.term, bound) for bound in found} - {None})
    distinct = {tuple(sorted((n, v) for n, v in bound.items() if "/" not in n)): bound for bound in found}
    values = [value for bound in distinct.values() if (value := value_of(literal.term, bound)) is not None]
    if not values:
        return None
    return {"sum": sum, "min": min, "max": max, "avg": lambda v: sum(v) / len(v)}[literal.function](values)
