"""`nesyc kb`: the history of a knowledge base, its earlier states, and changes taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.exchange import export, import_
from nesyc.cli.migrate import migrate
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
    user_name,
)
from nesyc.cli.output import print_result, stderr_console
from nesyc.cli.query import opened
from nesyc.cli.questions import compiled_query

if TYPE_CHECKING:
    from nesyc_runtime.kb.storage.store import Store

kb_app = typer.Typer(name="kb", help="Look at, change and move a knowledge base.", no_args_is_help=True)
kb_app.command("migrate")(migrate)
kb_app.command("export")(export)
kb_app.command("import")(import_)

RelationOption = Annotated[
    str | None, typer.Option("--relation", metavar="NAME", help="Only what touched this relation.")
]
WhenArgument = Annotated[
    str, typer.Argument(metavar="DATE", help="2026-01-31, 2026-01-31T12:00 (UTC), or '#7' for change 7.")
]
QueryArgument = Annotated[
    str | None, typer.Argument(metavar="[QUERY]", help="What to ask the KB as it was.", show_default=False)
]
CountArgument = Annotated[int, typer.Argument(metavar="[N]", min=1, help="How many changes.")]


@kb_app.command("log")
def log(
    relation: RelationOption = None,
    kb: KbOption = None,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show who changed what, when and why; the last change first."""
    from nesyc.cli.kb_text import log_text
    from nesyc_runtime.kb.review.log import read_log

    with opened(spec, build, profile, param, kb) as (_, _, store):
        result = read_log(store, limit=limit, relation=relation)
    print_result(result, log_text(result), as_json=as_json, out=out)


@kb_app.command("at")
def at(
    when: WhenArgument,
    query: QueryArgument = None,
    kb: KbOption = None,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show the stored rows as they were at the end of a date, or ask a query of them; rules are those of now."""
    from nesyc.cli.kb_text import counts_text
    from nesyc.cli.proofs import query_table
    from nesyc_runtime.kb.review.past import change_at, store_at
    from nesyc_runtime.kb.rules.query import query as run_query

    with opened(spec, build, profile, param, kb) as (checked, declared, store):
        change = change_at(store, when)
        if query is None:
            with store_at(store, change) as past:
                result = {"v": 1, "kb": declared.name, "change": change, "relations": _counts(past)}
            print_result(result, counts_text(result), as_json=as_json, out=out)
            return
        compiled = compiled_query(checked, declared, query)
        with store_at(store, change) as past:
            result = {**run_query(past, compiled, limit=limit), "change": change}
    print_result(result, query_table(result), as_json=as_json, out=out)


def _counts(store: Store) -> list[dict[str, Any]]:
    from nesyc_runtime.kb.storage.rows import quote

    return [
        {
            "relation": relation.name,
            "derived": relation.derived,
            "rows": store.execute(f"SELECT count(*) FROM {quote(relation.reads)}").fetchone()[0],  # noqa: S608 - a quoted name
        }
        for relation in store.program.relations
    ]


@kb_app.command("undo")
def undo(
    count: CountArgument = 1,
    who: WhoOption = None,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Take back the last changes of people and stages; facts of the source are changed in their file."""
    from nesyc_runtime.kb.review.past import after_undo
    from nesyc_runtime.kb.review.past import undo as take_back
    from nesyc_runtime.kb.rules.evaluate import evaluate

    with opened(spec, build, profile, param, kb) as (_, _, store):
        undone = take_back(store, count, who=user_name(who))
        evaluate(store)
        notes = after_undo(store, undone)
    for note in notes:
        stderr_console().print(note, markup=False)
    text = (
        f"took back {', '.join(f'change {number}' for number in undone)}"
        if undone
        else "nothing to take back"
    )
    print_result({"v": 1, "undone": undone, "notes": notes}, text, as_json=as_json, out=out)
