"""`nesyc review`: decide on what stages proposed, on a screen or by name."""

from __future__ import annotations

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
    from nesyc_runtime.kb.review import Proposal
    from nesyc_runtime.kb.store import Store

ListOption = Annotated[bool, typer.Option("--list", help="Only show what waits for a decision.")]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option(
        "--accept", metavar="KEY", help="Accept an entry, as in lesson:3; lesson:* for all of them."
    ),
]
RejectOption = Annotated[
    list[str] | None,
    typer.Option("--reject", metavar="KEY", help="Reject an entry: no stage writes it again."),
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
    note: NoteOption = "",
    stage: StageOption = None,
    approve: ApproveOption = False,
    who: WhoOption = None,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Review what stages proposed; without options on a screen, keyboard first."""
    from nesyc_runtime.kb.evaluate import evaluate
    from nesyc_runtime.kb.review import decide

    name = user_name(who)
    if approve:
        if stage is None:
            raise typer.BadParameter("--approve needs --stage NAME")
        result = _approve(stage, name, note, spec, build, profile, param)
        print_result(result, f"{stage}: approved by {name}", as_json=as_json, out=out)
        return
    with opened(spec, build, profile, param, kb) as (checked, _, store):
        owner = _stage_id(stage, [s.id for p in checked.pipelines for s in p.stages]) if stage else None
        if accept or reject:
            with store.writing():
                done = {"accepted": decide(store, accept or [], "accept", who=name, note=note),
                        "rejected": decide(store, reject or [], "reject", who=name, note=note)}  # fmt: skip
            evaluate(store)
            result = {"v": 1, "kb": store.kb.name, **done, "left": len(_waiting(store, owner))}
            text = (
                f"accepted {len(done['accepted'])}, rejected {len(done['rejected'])}, {result['left']} left"
            )
            print_result(result, text, as_json=as_json, out=out)
            return
        waiting = _waiting(store, owner)
        if only_list or as_json or out is not None or not sys.stdout.isatty():
            print_result(_contract(store, waiting), _shown(waiting), as_json=as_json, out=out)
            return
        _screen(store, name, waiting)


def _waiting(store: Store, stage: str | None) -> list[Proposal]:
    from nesyc_runtime.kb.review import proposals

    return proposals(store, stage=stage)


def _stage_id(given: str, known: list[str]) -> str:
    """The id of a stage given by its id or by its name alone."""
    found = [id_ for id_ in known if given in (id_, id_.rpartition(".")[2])]
    if len(found) != 1:
        names = ", ".join(found or known)
        raise CliError(
            f"{'several stages are' if found else 'no stage is'} named `{given}`", f"name one of {names}"
        )
    return found[0]


def _contract(store: Store, waiting: list[Proposal]) -> dict[str, Any]:
    rules = [
        {"rule": rule.name, "text": rule.text, "place": f"{rule.location.file}:{rule.location.line}"}
        for rule in store.kb.rules
        if not rule.active
    ]
    listed = [{"name": one.name, **asdict(one)} for one in waiting]
    return {"v": 1, "kb": store.kb.name, "proposals": listed, "rules": rules, "total": len(waiting)}


def _shown(waiting: list[Proposal]) -> str:
    from nesyc.cli.review_text import details

    if not waiting:
        return "nothing waits for a decision\n"
    parts = ["\n".join([one.name, *(f"  {line}" for line in details(one))]) for one in waiting]
    return (
        "\n\n".join(parts) + f"\n\n{len(waiting)} wait: nesyc review --accept KEY, --reject KEY --note TEXT\n"
    )


def _screen(store: Store, who: str, waiting: list[Proposal]) -> None:
    try:
        from nesyc.cli.review_screen import ReviewScreen
    except ImportError:
        raise CliError(
            "the screen needs textual", "pip install 'nesyc[review]', or use --list, --accept and --reject"
        ) from None
    from nesyc_runtime.kb.review import Review

    if not waiting:
        print_result({}, "nothing waits for a decision", as_json=False, out=None)
        return
    session = Review(store, who, waiting)
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
    from nesyc.cli.session import open_build
    from nesyc_runtime.kb.open import open_kb
    from nesyc_runtime.kb.review import decide
    from nesyc_runtime.stages.review import approve_files

    compiled, project = open_build(spec, build, profile, parse_params(param))
    stages = {one.id: one for pipeline in compiled.spec.pipelines for one in pipeline.stages}
    found = stages[_stage_id(stage, list(stages))]
    accepted: list[str] = []
    if found.kind == "extract":
        from nesyc_runtime.kb.evaluate import evaluate

        settings = next(kb for kb in compiled.spec.kbs if kb.name == found.into.partition(".")[0])
        with open_kb(compiled, project, settings) as store:
            names = [one.name for one in _waiting(store, found.id)]
            accepted = decide(store, names, "accept", who=who, note=note)
            evaluate(store)
    else:
        approve_files(project, found.id, who, note)
    return {"v": 1, "stage": found.id, "accepted": accepted}
