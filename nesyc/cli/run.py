"""`nesyc run`: every stage that is not done, then the results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import typer

from nesyc.cli import errors
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    named_spec,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console
from nesyc.cli.plan import ItemsOption, SelectOption

if TYPE_CHECKING:
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.errors import Stopped
    from nesyc_runtime.project import Project
    from nesyc_runtime.stages.context import Context
    from nesyc_runtime.stages.run import Options

RefreshOption = Annotated[
    list[str] | None,
    typer.Option("--refresh", metavar="STAGE", help="Do this stage again, its answers asked anew."),
]
PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="FILE",
        help="Run what `nesyc plan --out FILE` planned; exit 1 where things are no longer so.",
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would run, run nothing.")]


def run(
    spec_file: SpecArgument = None,
    select: SelectOption = None,
    refresh: RefreshOption = None,
    limit: ItemsOption = 0,
    dry_run: DryRunOption = False,
    plan_file: PlanOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Run the stages that are not done yet; stopped at any moment, the same command goes on."""
    from nesyc.cli.placed import why_stopped
    from nesyc.cli.plan import read_plan, show_plan
    from nesyc.cli.session import open_build
    from nesyc_runtime.report.tables import results_tables
    from nesyc_runtime.stages.run import Options

    compiled, project = open_build(named_spec(spec_file, spec), build, profile, parse_params(param))
    if plan_file is not None and (select or refresh or limit or dry_run):
        raise typer.BadParameter(
            "the plan says what to run: give no other option of what to do beside --plan"
        )
    if dry_run:
        show_plan(compiled, project, select or [], refresh or [], limit, as_json=as_json, out=out)
        return
    planned = read_plan(plan_file) if plan_file is not None else None
    options = Options(select or (), refresh or (), limit or None)
    results, stop, ok = _run(compiled, project, options, planned)
    shown = results if stop is None else {**results, **why_stopped(stop)}
    print_result(shown, results_tables(results), as_json=as_json, out=out)
    if stop is not None:
        raise errors.Stop(stop)
    if not ok:
        raise typer.Exit(errors.FAILED)


class Ran(NamedTuple):
    """`stop` is what stopped a run, `ok` whether every `require` holds of the evaluations that it was asked for."""

    results: dict[str, Any]
    stop: Stopped | KeyboardInterrupt | None
    ok: bool


def _run(build: Build, project: Project, options: Options, planned: dict[str, Any] | None) -> Ran:
    from nesyc.cli.migrate import agreed_changes
    from nesyc.cli.plan import check_plan
    from nesyc.cli.session import open_session
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.stages.run import Options
    from nesyc_runtime.stages.shelf import project_lock

    migrated = agreed_changes(build, project)
    with project_lock(project.state_dir), ConsoleReporter(stderr_console()) as reporter:
        if planned is not None:
            check_plan(build, project, planned)
            wanted = planned["run"]
            options = Options(wanted["select"], wanted["refresh"], wanted["limit"])
        with open_session(build, project, reporter, options.limit) as ctx:
            ctx.decisions += migrated
            return _run_and_write(ctx, options)


def _run_and_write(ctx: Context, options: Options) -> Ran:
    """Results are written where a run stops too, saying so; what stopped it comes with them.

    They are those of the whole spec, also where only a part of it was asked for.
    """
    from nesyc.cli.exits import terminated_as_interrupted
    from nesyc_runtime.errors import Stopped
    from nesyc_runtime.stages.graph import build_graph
    from nesyc_runtime.stages.last_run import remember_run
    from nesyc_runtime.stages.results import make_results, write_results
    from nesyc_runtime.stages.run import recall
    from nesyc_runtime.stages.run import run as run_stages

    nodes = build_graph(ctx.build)
    try:
        with terminated_as_interrupted():
            run_stages(ctx, options)
        stop = None
    except (Stopped, KeyboardInterrupt) as error:
        stop = error
    status: Literal["done", "stopped"] = "done" if stop is None else "stopped"
    results = make_results(ctx, nodes, status)
    ok = all(require["ok"] for require in results["require"])
    if not isinstance(stop, KeyboardInterrupt):  # who interrupts does not wait, and the KB may not be ready
        recall(ctx, nodes)
        results = make_results(ctx, nodes, status)
    folder = write_results(ctx, nodes, results)
    stores = {kb.name: ctx.knowledge.store(kb.name) for kb in ctx.spec.kbs}
    remember_run(ctx.build, ctx.project, ctx.run, stores)
    ctx.reporter.note(f"results in {ctx.project.shown(folder)}/")
    return Ran(results, stop, ok)
