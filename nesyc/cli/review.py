"""`nesyc review`: decide on what stages proposed, on a screen or by name."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import CliError
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    KbOption,
    LimitOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    WhoOption,
    parse_params,
    user_name,
)
from nesyc.cli.output import print_result
from nesyc.cli.query import opened

if TYPE_CHECKING:
    from nesyc.cli.rule_desk import RuleDesk
    from nesyc.cli.rulebook import SourceRulebook
    from nesyc.ir import nodes
    from nesyc_runtime.kb.review.review import Proposal, RuleProposal
    from nesyc_runtime.kb.storage.store import Store

RULE = "rule:"
ListOption = Annotated[bool, typer.Option("--list", help="Only show what waits for a decision.")]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept",
        metavar="KEY",
        help="Accept an entry or a rule, as in lesson:3 and rule:uncle_1; lesson:* and rule:* for all.",
    ),
]
RejectOption = Annotated[
    list[str] | None,
    typer.Option("--reject", metavar="KEY", help="Reject an entry or a rule: no stage writes it again."),
]
EditOption = Annotated[
    str | None, typer.Option("--edit", metavar="KEY", help="Change an entry or a rule, which accepts it.")
]
ToOption = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="TEXT", help="With --edit: columns as a JSON object, or the text of the rule."
    ),
]
NoteOption = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for the history.")]
StageOption = Annotated[
    str | None, typer.Option("--stage", metavar="NAME", help="Only what this stage made.")
]
ApproveOption = Annotated[
    bool, typer.Option("--approve", help="With --stage: accept all that the stage made, entries or files.")
]


def review(
    only_list: ListOption = False,
    accept: AcceptOption = None,
    reject: RejectOption = None,
    edit: EditOption = None,
    to: ToOption = None,
    note: NoteOption = "",
    stage: StageOption = None,
    approve: ApproveOption = False,
    who: WhoOption = None,
    limit: LimitOption = 1000,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Review what stages proposed; without options on a screen, keyboard first."""
    from nesyc.cli.rule_desk import RuleDesk

    name = user_name(who)
    if approve:
        if stage is None:
            raise typer.BadParameter("--approve needs --stage NAME")
        result = _approve(stage, name, note, spec, build, profile, param)
        print_result(result, f"{stage}: approved by {name}", as_json=as_json, out=out)
        return
    if (edit is None) != (to is None):
        raise typer.BadParameter("--edit KEY and --to TEXT stand together")
    with opened(spec, build, profile, param, kb) as (checked, _, store):
        desk = RuleDesk(_rulebook(spec, build, profile, param), store)
        stages = {one.id: one for pipeline in checked.pipelines for one in pipeline.stages}
        found = stages[_stage_id(stage, list(stages))] if stage else None
        if accept or reject or edit is not None:
            done = _decide(store, desk, accept or [], reject or [], edit, to or "", name, note)
            left = len(_waiting(store, desk, found))
            told = ", ".join(f"{what} {len(names)}" for what, names in done.items() if names)
            result = {"v": 1, "kb": store.kb.name, **done, "left": left}
            print_result(result, f"{told}, {left} left", as_json=as_json, out=out)
            return
        waiting = _waiting(store, desk, found)
        if only_list or as_json or out is not None or not sys.stdout.isatty():
            listed = waiting[:limit] if limit else waiting
            effects = _effects(desk, listed)
            contract = _contract(store, listed, effects, len(waiting))
            text = _shown(listed, effects, len(waiting))
            print_result(contract, text, as_json=as_json, out=out)
            return
        _screen(store, desk, name, waiting)


def _rulebook(
    spec: Path | None, build: Path | None, profile: str | None, param: list[str] | None
) -> SourceRulebook:
    from nesyc.cli.current import choose
    from nesyc.cli.rulebook import SourceRulebook

    choice, _ = choose(spec, build, profile, parse_params(param))
    return SourceRulebook(choice.spec.absolute(), choice.profile, choice.params)


def _decide(
    store: Store,
    desk: RuleDesk,
    accept: list[str],
    reject: list[str],
    edit: str | None,
    to: str,
    who: str,
    note: str,
) -> dict[str, list[str]]:
    """Decide by name, all or none: rules' files are written when everything else is known to be fine."""
    from nesyc_runtime.kb.review.review import decide
    from nesyc_runtime.kb.rules.evaluate import evaluate

    done: dict[str, list[str]] = {}
    with store.writing():
        texts: dict[str, str] = {}
        for what, word, names in (("accepted", "accept", accept), ("rejected", "reject", reject)):
            entries = [name for name in names if not _is_rule(store, name)]
            rules = desk.named([name.removeprefix(RULE) for name in names if _is_rule(store, name)])
            done[what] = decide(store, entries, word, who=who, note=note)
            if rules:
                texts |= desk.decide(rules, what, who=who, note=note)
                done[what] += [f"rule {name}" for name in rules]
        desk.write(texts)
        if edit is not None:
            done["edited"] = [_edit(store, desk, edit, to, who, note)]
    evaluate(store)
    return done


def _is_rule(store: Store, name: str) -> bool:
    return name.startswith(RULE) and "rule" not in store.program.by_name


def _edit(store: Store, desk: RuleDesk, name: str, to: str, who: str, note: str) -> str:
    """Put other values, or another rule, in place of a proposal, which accepts it."""
    from nesyc_runtime.kb.review import decisions
    from nesyc_runtime.kb.review.review import read_name

    if _is_rule(store, name):
        one = next((one for one in desk.waiting() if one.name == name), None)
        if one is None:
            raise CliError(f"no rule waits under the name `{name}`", "`nesyc review --list` shows which do")
        desk.edit(one, to, who=who, note=note)
        return f"rule {one.rule}"
    relation, key = read_name(name)
    try:
        changes = json.loads(to)
    except (ValueError, RecursionError):
        changes = None
    if not isinstance(changes, dict):
        raise CliError(f"`--to` is no JSON object of columns: {to[:60]}", """as in --to '{"body": "..."}'""")
    made = decisions.edit(store, relation, key, changes, who=who, note=note)
    return decisions.entry_name(relation, made)


def _waiting(store: Store, desk: RuleDesk, stage: nodes.Stage | None) -> list[Proposal | RuleProposal]:
    """Rows and rules that wait; of a stage, what it made."""
    from nesyc_runtime.kb.review.review import proposals

    if stage is None:
        return [*proposals(store), *desk.waiting()]
    if stage.kind == "induce":
        return [*desk.waiting(stage.into)]
    return [*proposals(store, stage=stage.id)]


def _stage_id(given: str, known: list[str]) -> str:
    """The id of a stage given by its id or by its name alone."""
    found = [id_ for id_ in known if given in (id_, id_.rpartition(".")[2])]
    if len(found) != 1:
        names = ", ".join(found or known)
        raise CliError(
            f"{'several stages are' if found else 'no stage is'} named `{given}`", f"name one of {names}"
        )
    return found[0]


def _effects(desk: RuleDesk, waiting: list[Proposal | RuleProposal]) -> dict[str, dict[str, Any]]:
    from nesyc_runtime.kb.review.review import RuleProposal

    return {one.name: desk.effect(one) for one in waiting if isinstance(one, RuleProposal)}


def _contract(
    store: Store, listed: list[Proposal | RuleProposal], effects: dict[str, dict[str, Any]], total: int
) -> dict[str, Any]:
    from nesyc_runtime.kb.review.review import RuleProposal

    entries = [{"name": one.name, **asdict(one)} for one in listed if not isinstance(one, RuleProposal)]
    rules = [
        {
            "name": one.name,
            "rule": one.rule,
            "text": one.text,
            "place": f"{one.file}:{one.line}",
            "learned": dict(one.learned),
            "evidence": list(one.evidence),
            "stale": one.stale,
            "effect": effects[one.name],
        }
        for one in listed
        if isinstance(one, RuleProposal)
    ]
    return {
        "v": 1,
        "kb": store.kb.name,
        "proposals": entries,
        "rules": rules,
        "total": total,
        "truncated": len(listed) < total,
    }


def _shown(listed: list[Proposal | RuleProposal], effects: dict[str, dict[str, Any]], total: int) -> str:
    from nesyc.cli.review_text import details, rule_details
    from nesyc_runtime.kb.review.review import RuleProposal

    if not total:
        return "nothing waits for a decision\n"
    parts = []
    for one in listed:
        lines = rule_details(one, effects[one.name]) if isinstance(one, RuleProposal) else details(one)
        parts.append("\n".join([one.name, *(f"  {line}" for line in lines)]))
    if len(listed) < total:
        parts.append(f"{total - len(listed)} more: --limit 0 shows all")
    return "\n\n".join(parts) + f"\n\n{total} wait: nesyc review --accept KEY, --reject KEY --note TEXT\n"


def _screen(store: Store, desk: RuleDesk, who: str, waiting: list[Proposal | RuleProposal]) -> None:
    try:
        from nesyc.cli.review_screen import ReviewScreen
    except ImportError:
        raise CliError(
            "the screen needs textual", "pip install 'nesyc[review]', or use --list, --accept and --reject"
        ) from None
    from nesyc_runtime.kb.review.review import Review

    if not waiting:
        print_result({}, "nothing waits for a decision", as_json=False, out=None)
        return
    session = Review(store, who, waiting, rules=desk)
    ReviewScreen(session).run()
    session.finish()
    counts = ", ".join(f"{count} {what}" for what, count in session.counts.items())
    print_result({}, f"{counts}, {len(session.waiting)} left", as_json=False, out=None)


def _approve(
    stage: str,
    who: str,
    note: str,
    spec: Path | None,
    build: Path | None,
    profile: str | None,
    param: list[str] | None,
) -> dict[str, Any]:
    """Let a run go on past a stage: its entries accepted, and its folder marked as looked at."""
    from nesyc.cli.rule_desk import RuleDesk
    from nesyc.cli.session import open_build
    from nesyc_runtime.kb.open import open_kb
    from nesyc_runtime.kb.review.review import decide, proposals
    from nesyc_runtime.stages.review import approve_files

    compiled, project = open_build(spec, build, profile, parse_params(param))
    stages = {one.id: one for pipeline in compiled.spec.pipelines for one in pipeline.stages}
    found = stages[_stage_id(stage, list(stages))]
    accepted: list[str] = []
    if found.kind == "extract":
        from nesyc_runtime.kb.rules.evaluate import evaluate

        settings = next(kb for kb in compiled.spec.kbs if kb.name == found.into.partition(".")[0])
        with open_kb(compiled, project, settings) as store:
            names = [one.name for one in proposals(store, stage=found.id)]
            accepted = decide(store, names, "accept", who=who, note=note)
            evaluate(store)
    elif found.kind == "induce":
        settings = next(kb for kb in compiled.spec.kbs if kb.name == found.kb)
        with open_kb(compiled, project, settings) as store:
            desk = RuleDesk(_rulebook(spec, build, profile, param), store)
            accepted = [one.rule for one in desk.waiting(found.into)]
            desk.write(desk.decide(accepted, "accepted", who=who, note=note))
    else:
        approve_files(project, found.id, who, note)
    return {"v": 1, "stage": found.id, "accepted": accepted}
