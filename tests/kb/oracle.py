"""The language's definition of what a KB derives, as plain Python without a thought for speed.

Written from the language's own words: every substitution is enumerated, strata are recomputed from scratch round
after round. Nothing here is shared with the compiler but the IR.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, product
from typing import Any

from nesyc.ir import nodes as ir

Fact = tuple[str, tuple[Any, ...]]
Env = dict[str, Any]
COMPARE = {"=": operator.eq, "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le,
           ">": operator.gt, ">=": operator.ge}  # fmt: skip
ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul}
TEXT = {"concat": lambda *a: "".join(map(str, a)), "lower": str.lower, "upper": str.upper, "length": len,
        "contains": lambda a, b: b in a, "starts_with": str.startswith}  # fmt: skip


@dataclass
class World:
    """What is known: the rows queries see by relation, the candidates of the stratum at work, leaf values."""

    kb: ir.Kb
    seen: dict[str, set[tuple[Any, ...]]] = field(default_factory=dict)
    conf: dict[Fact, float] = field(default_factory=dict)
    sets: dict[Fact, list[frozenset[Any]]] = field(default_factory=dict)
    leaf: dict[Any, tuple[float, float]] = field(default_factory=dict)


def evaluate(kb: ir.Kb) -> World:
    """Everything the KB derives: rows as queries see them, their confidences (1.0 under boolean)."""
    world = World(kb)
    for relation in kb.relations:
        world.seen[relation.name] = set()
    for fact in kb.facts:
        one = (fact.relation, fact.values)
        value = min(fact.confidence, cap(kb, fact.origin))
        world.seen[fact.relation].add(fact.values)
        world.conf[one] = max(value, world.conf.get(one, 0.0)) if kb.semantics.kind != "boolean" else 1.0
        world.leaf[one] = (world.conf[one], cap(kb, fact.origin))
        world.sets[one] = [frozenset([one])]
    for stratum in kb.strata:
        rules = [rule for rule in kb.rules if rule.name in stratum.rules and rule.active]
        {"top_proofs": _top_proofs}.get(kb.semantics.kind, _best)(world, rules)
        for name in stratum.relations:
            _resolve(world, next(r for r in kb.relations if r.name == name))
    return world


def cap(kb: ir.Kb, origin: str) -> float:
    return float(getattr(kb.ceiling, origin))


def _best(world: World, rules: Sequence[ir.Rule]) -> None:
    """boolean, max_min, max_product: the greatest value over all proofs, by rounds of full recomputation."""
    kind = world.kb.semantics.kind
    while True:
        changed = False
        for rule in rules:
            for env, facts in list(solve(world, rule.body, {})):
                head = (rule.head.relation, tuple(value_of(term, env) for term in rule.head.terms))
                if not _fits(world.kb, head):
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
    """Rounds over the stratum until no fact's k best minimal leaf sets change."""
    while True:
        found: dict[Fact, dict[frozenset[Any], str]] = {}
        for rule in rules:
            for env, facts in list(solve(world, rule.body, {})):
                head = (rule.head.relation, tuple(value_of(term, env) for term in rule.head.terms))
                if not _fits(world.kb, head):
                    continue
                instance = (rule.name, tuple(sorted(env.items(), key=lambda item: item[0])))
                own = cap(world.kb, rule.origin)
                world.leaf[instance] = (min(rule.confidence, own), own)
                for chosen in product(*(world.sets[fact] for fact in facts)):
                    leaves = frozenset([instance]).union(*chosen)
                    best = found.setdefault(head, {})
                    best[leaves] = min(rule.name, best.get(leaves, rule.name))
        new = {head: _k_best(world, sets) for head, sets in found.items()}
        if all(world.sets.get(head) == sets for head, sets in new.items()):
            break
        for head, sets in new.items():
            world.sets[head] = sets
            world.seen[head[0]].add(head[1])
    for rule in rules:
        for row in world.seen[rule.head.relation]:
            world.conf[rule.head.relation, row] = _union(world, world.sets[rule.head.relation, row])


def _k_best(world: World, sets: Mapping[frozenset[Any], str]) -> list[frozenset[Any]]:
    minimal = [s for s in sets if not any(other < s for other in sets)]

    def order(leaves: frozenset[Any]) -> tuple[Any, ...]:
        value = math.prod(sorted(world.leaf[leaf][0] for leaf in leaves))
        facts = sorted(leaf for leaf in leaves if _is_fact(world, leaf))
        rules = sorted(map(repr, (leaf for leaf in leaves if not _is_fact(world, leaf))))
        return -round(value, 12), len(leaves), sets[leaves], facts, rules

    return sorted(minimal, key=order)[: world.kb.semantics.k]


def _is_fact(world: World, leaf: Any) -> bool:
    return leaf[0] in world.seen


def _union(world: World, sets: list[frozenset[Any]]) -> float:
    total = 0.0
    for size in range(1, len(sets) + 1):
        for chosen in combinations(sets, size):
            joint = math.prod(world.leaf[leaf][0] for leaf in frozenset().union(*chosen))
            total += joint if size % 2 else -joint
    return min(total, min((world.leaf[leaf][1] for leaf in sets[0]), default=1.0))


def _resolve(world: World, relation: ir.Relation) -> None:
    """Winners of `unique (...) resolve highest_conf`: ties in column order, enums by declaration."""
    if relation.unique is None or relation.unique.resolve is None:
        return
    names = [column.name for column in relation.columns]
    orders = {enum.name: enum.constants for enum in world.kb.enums}

    def rank(row: tuple[Any, ...]) -> tuple[Any, ...]:
        values = [
            orders[c.type.enum].index(v) if c.type.base == "enum" and c.type.enum in orders else v
            for c, v in zip(relation.columns, row, strict=True)
        ]
        return (-world.conf[relation.name, row], *values)

    groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for row in world.seen[relation.name]:
        key = tuple(row[names.index(column)] for column in relation.unique.columns)
        groups.setdefault(key, []).append(row)
    world.seen[relation.name] = {min(rows, key=rank) for rows in groups.values()}


def _fits(kb: ir.Kb, head: Fact) -> bool:
    relation = next(r for r in kb.relations if r.name == head[0])
    return all(v is not None or c.type.nullable for c, v in zip(relation.columns, head[1], strict=True))


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
            for row in sorted(world.seen[literal.relation], key=repr):
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
            bound[f"_{place}/{index}"] = value
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
            if any(value is None for value in values):
                return None
            if term.function in ("/", "%") and values[1] == 0:
                return None
            if term.function == "/":
                whole = term.type.base == "int"
                return int(values[0] / values[1]) if whole else values[0] / values[1]
            if term.function == "%":
                return math.fmod(values[0], values[1]) if term.type.base != "int" else int(math.fmod(*values))
            if term.function == "neg":
                return -values[0]
            return (ARITHMETIC | TEXT)[term.function](*values)


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
    distinct = {
        tuple(sorted((n, v) for n, v in bound.items() if not n.startswith("_"))): bound for bound in found
    }
    values = [value for bound in distinct.values() if (value := value_of(literal.term, bound)) is not None]
    if not values:
        return None
    return {"sum": sum, "min": min, "max": max, "avg": lambda v: sum(v) / len(v)}[literal.function](values)
