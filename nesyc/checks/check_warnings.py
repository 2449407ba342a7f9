"""W0403 to W0406: rules that say nothing new, were only ever confirmed, run as a loop, weigh what nobody weighs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial

from nesyc.checks.annotations import argument_of, find_annotation, is_active
from nesyc.checks.kb_symbols import KbInfo
from nesyc.checks.kinds import Bound
from nesyc.checks.rule_graph import component_of
from nesyc.checks.rule_implied import implied_rules
from nesyc.checks.tables import Tables
from nesyc.checks.terms import atoms
from nesyc.diagnostics import Diagnostic, Help, Related, counted
from nesyc.syntax import nodes as ast


def check_warnings(tables: Tables) -> Iterator[Diagnostic]:
    """The warnings about rules that need the whole KB, and those about their evidence."""
    for name, kb in tables.symbols.kbs.items():
        for rule in kb.rules:
            if rule.annotations:
                yield from _only_positive(rule)
        if not has_errors(tables.rules[name].problems):  # a cycle that cannot be is reported as such
            yield from _implied(tables, kb)
            yield from _loops(tables, name, kb)
        yield from _without_effect(tables, kb)


def _implied(tables: Tables, kb: KbInfo) -> Iterator[Diagnostic]:
    independent = isinstance(tables.blocks["kb", kb.name]["semantics"], Bound)  # top_proofs
    by_head: dict[str, list[ast.Rule]] = defaultdict(list)
    for rule, info in zip(kb.rules, tables.rules[kb.name].rules, strict=True):
        if is_active(rule.annotations) and not has_errors(info.problems):
            by_head[rule.head.relation.text].append(rule)
    for head, rules in by_head.items():
        implied = partial(_pairs, rules, independent)
        for rule, other in tables.memo.group(("implied", kb.name, head), independent, rules, implied):
            yield Diagnostic(
                "W0403",
                f"rule `{rule.name.text}` is implied by `{other.name.text}`",
                rule.name.span,
                "derives nothing new",
                (Related(other.name.span, "derives all of it"),),
                help=Help(f"remove `{rule.name.text}`, or make its head say more"),
            )


def _pairs(rules: list[ast.Rule], independent: bool) -> tuple[tuple[ast.Rule, ast.Rule], ...]:
    return tuple(implied_rules(rules, independent)) if len(rules) > 1 else ()


def has_errors(problems: Iterable[Diagnostic]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def _only_positive(rule: ast.Rule) -> Iterator[Diagnostic]:
    learned = find_annotation(rule.annotations, "learned")
    if learned is None:
        return
    support, against = argument_of(learned, "support"), argument_of(learned, "against")
    if not _positive(support) or _positive(against) or _positive(argument_of(learned, "tried")):
        return
    yield Diagnostic(
        "W0404",
        f"rule `{rule.name.text}` has only positive evidence",
        learned.span,
        "no counter-example was tried",
        (Related(rule.name.span, "the rule"),),
        help=Help("try it where it should not hold, and write `against = ...` or `tried = ...`"),
    )


def _positive(value: ast.Expr | None) -> bool:
    return isinstance(value, ast.Number) and value.value > 0


def _without_effect(tables: Tables, kb: KbInfo) -> Iterator[Diagnostic]:
    """Once for a KB. A rule that a stage wrote has its confidence from there, whatever the semantics."""
    if tables.blocks["kb", kb.name]["semantics"] != "boolean":
        return
    weighed = [
        rule
        for rule in kb.rules
        if rule.confidence is not None
        and rule.confidence.value != 1
        and not any(find_annotation(rule.annotations, name) for name in ("learned", "status"))
    ]
    if not weighed:
        return
    first = weighed[0]
    assert first.confidence is not None
    more = f" and of {counted(len(weighed) - 1, 'more rule')}" if weighed[1:] else ""
    yield Diagnostic(
        "W0406",
        f"the confidence of rule `{first.name.text}`{more} has no effect",
        first.confidence.span,
        "under `boolean` what a rule derives holds, or not",
        (Related(kb.node.name.span, "its semantics are boolean"),),
        help=Help("write `semantics = max_product` into the kb, or leave the confidence out"),
    )


def _loops(tables: Tables, name: str, kb: KbInfo) -> Iterator[Diagnostic]:
    """Once for each set of relations that no single recursive statement computes."""
    found = tables.rules[name].layers
    where = component_of(found)
    told: set[int] = set()
    for rule in kb.rules:
        number = where.get(rule.head.relation.text)
        if number is None or number in told or not found[number].recursive or not is_active(rule.annotations):
            continue
        members = found[number].relations
        inner = [atom for atom, _ in atoms(rule.body) if atom.relation.text in members]
        if len(inner) < 2 and (len(members) == 1 or not inner):
            continue
        told.add(number)
        atom = inner[-1]
        how = (
            "reads itself twice"
            if len(members) == 1
            else f"goes through {', '.join(f'`{m}`' for m in members)}"
        )
        yield Diagnostic(
            "W0405",
            f"the recursion of `{rule.head.relation.text}` runs as a loop",
            atom.relation.span,
            "recursive here",
            notes=(f"it {how}, which no single recursive statement of SQL can compute",),
            help=Help('write it linearly where that is possible, or `allow(W0405, "why")`'),
        )
