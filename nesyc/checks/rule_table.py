"""What the checks learn of every rule of a KB: types of variables, mistakes, the order of evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.memo import Memo
from nesyc.checks.messages import confidence_range
from nesyc.checks.rule_dead import check_never_fires
from nesyc.checks.rule_graph import Layer, check_cycles, component_of, edges_of, layers
from nesyc.checks.rule_growth import check_growth
from nesyc.checks.rule_nulls import check_nullable
from nesyc.checks.rule_safety import Safety
from nesyc.checks.rule_types import RuleTypes
from nesyc.checks.rule_unused import check_used_once
from nesyc.checks.scope import RuleScope
from nesyc.checks.terms import atoms
from nesyc.checks.types import Type
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast

TextOf = Callable[[Span], str]


@dataclass(frozen=True, slots=True)
class BodyInfo:
    """A rule's or constraint's variables with their types, and what is wrong with it."""

    types: Mapping[str, Type]
    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class KbRules:
    """`rules` and `forbids` go with those of the KB, place by place; `problems` are those of the whole."""

    rules: tuple[BodyInfo, ...]
    forbids: tuple[BodyInfo, ...]
    layers: tuple[Layer, ...]
    problems: tuple[Diagnostic, ...]


def analyse_body(
    scope: RuleScope, head: ast.Atom | None, body: tuple[ast.Literal, ...], text_of: TextOf
) -> BodyInfo:
    """Types and safety of one rule, constraint or query."""
    typing = RuleTypes(scope)
    typing.learn(body)
    typing.check_body(body)
    if head is not None:
        typing.check_atom(head, head=True)
    safety = Safety(scope, typing.types, head, body, text_of)
    unsafe = list(safety.check())
    nulls = check_nullable(scope, head, body)
    return BodyInfo(typing.types, (*typing.problems, *unsafe, *nulls))


def analyse_rule(scope: RuleScope, rule: ast.Rule | ast.Forbid, text_of: TextOf) -> BodyInfo:
    """A rule or constraint of a KB: `analyse_body`, its confidence, what it writes, variables used once."""
    head = rule.head if isinstance(rule, ast.Rule) else None
    info = analyse_body(scope, head, rule.body, text_of)
    more: list[Diagnostic] = []
    if rule.confidence is not None and not 0 < rule.confidence.value <= 1:
        more.append(confidence_range(rule.confidence.span))
    if head is not None:
        more.extend(_check_head(scope, rule, head))
    reported = {text_of(problem.span) for problem in info.problems}
    more.extend(check_used_once(scope, head, rule.body, info.types, reported))
    return replace(info, problems=(*info.problems, *more))


def _check_head(scope: RuleScope, rule: ast.Rule | ast.Forbid, head: ast.Atom) -> Iterator[Diagnostic]:
    relation = scope.relations.get(head.relation.text)
    if relation is not None and not relation.derived:
        yield Diagnostic(
            "E0407",
            f"rule `{rule.name.text}` writes the stored relation `{relation.name}`",
            head.relation.span,
            label="stored",
            related=(Related(relation.span, "declared here"),) if relation.span else (),
            notes=("a stored relation is filled by facts, loaders, stages and people",),
            help=Help(f"declare it `derived {relation.name}(...)`, or derive another relation"),
        )


def analyse_kb(kb: KbInfo, text_of: TextOf, memo: Memo) -> KbRules:
    """All rules of a KB and the order of their strata."""
    bodies: tuple[ast.Rule | ast.Forbid, ...] = (*kb.rules, *kb.forbids)
    found = memo.each(("body", kb.name), kb.scope, bodies, lambda body: analyse_rule(kb.scope, body, text_of))
    order, problems = analyse_order(kb.scope, kb.rules, memo)
    if not problems:  # what is wrong with a cycle is said there
        problems = tuple(check_never_fires(kb, bodies, memo))
    rules, forbids = found[: len(kb.rules)], found[len(kb.rules) :]
    return KbRules(tuple(rules), tuple(forbids), order, problems)


def analyse_order(
    scope: RuleScope, rules: tuple[ast.Rule, ...], memo: Memo
) -> tuple[tuple[Layer, ...], tuple[Diagnostic, ...]]:
    """The layers of the derived relations in the order of evaluation, and E0403, E0404, E0406."""
    edges = [edge for own in memo.each("edges", None, rules, edges_of) for edge in own]
    derived = [name for name, relation in scope.relations.items() if relation.derived]
    found = layers(derived, ((edge.head, edge.reads) for edge in edges))
    grows = memo.each("growth", found, rules, _growth(found))
    problems = [*check_cycles(scope, edges, found), *(problem for own in grows for problem in own)]
    return found, tuple(problems)


def _growth(found: tuple[Layer, ...]) -> Callable[[ast.Rule], tuple[Diagnostic, ...]]:
    where = component_of(found)
    recursive = {number: frozenset(layer.relations) for number, layer in enumerate(found) if layer.recursive}

    def of_rule(rule: ast.Rule) -> tuple[Diagnostic, ...]:
        own = recursive.get(where.get(rule.head.relation.text, -1))
        if own is None:
            return ()
        reads_itself = any(atom.relation.text in own for atom, sign in atoms(rule.body) if sign == "+")
        return tuple(check_growth(rule, own)) if reads_itself else ()

    return of_rule
