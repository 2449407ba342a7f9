"""`nesyc plan`: what a run would do, why, and about what it would take."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    named_spec,
    no_source,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console, to_json
from nesyc.emit.files import write_atomic

if TYPE_CHECKING:
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.project import Project

SelectOption = Annotated[
    list[str] | None,
    typer.Option(
        "--select",
        metavar="STAGE",
        help="Only this stage (STAGE+: and all that depends on it), and what it needs.",
    ),
]
RefreshOption = Annotated[
    list[str] | None,
    typer.Option(
        "--refresh", metavar="STAGE", help="As if this stage were done again, its answers asked anew."
    ),
]
PlanFileOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the plan to FILE too, for `nesyc run --plan FILE`.",
        callback=no_source,
    ),
]
ItemsOption = Annotated[
    int, typer.Option("--limit", metavar="N", min=0, help="At most N items of each split; 0 means all.")
]


def plan(
    spec_file: SpecArgument = None,
    select: SelectOption = None,
    refresh: RefreshOption = None,
    limit: ItemsOption = 0,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: PlanFileOption = None,
) -> None:
    """Show what would run and why, with calls, tokens, money and time; exit 1 where the budget cannot do."""
    from nesyc.cli.session import open_build

    compiled, project = open_build(named_spec(spec_file, spec), build, profile, parse_params(param))
    show_plan(compiled, project, select or [], refresh or [], limit, as_json=as_json, out=out)


def show_plan(
    build: Build,
    project: Project,
    select: Sequence[str],
    refresh: Sequence[str],
    limit: int,
    *,
    as_json: bool,
    out: Path | None,
) -> None:
    from nesyc.cli import errors
    from nesyc_runtime.report.plan_table import plan_table

    result = plan_now(build, project, select, refresh, limit)
    if out is not None:
        write_atomic(out, to_json(result) + "\n")
    print_result(result, plan_table(result), as_json=as_json, out=None)
    if result["over"]:
        raise typer.Exit(errors.USER_ERROR)


def plan_now(
    build: Build, project: Project, select: Sequence[str], refresh: Sequence[str], limit: int
) -> dict[str, Any]:
    """The object of the `plan` contract, as things stand."""
    from nesyc.cli.session import open_session
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.stages.plan import make_plan
    from nesyc_runtime.stages.plan_form import plan_json

    with ConsoleReporter(stderr_console()) as reporter, open_session(build, project, reporter, limit) as ctx:
        return plan_json(ctx, make_plan(ctx, select, refresh), select, refresh, limit or None)


def read_plan(file: Path) -> dict[str, Any]:
    """What `nesyc plan --out` wrote; raises `CliError` for anything else."""
    from nesyc.cli.errors import CliError

    try:
        value = json.loads(file.read_text(encoding="utf-8"))
        if value["v"] != 1 or not isinstance(value["run"], dict):
            raise ValueError
        for stage in value["stages"]:
            stage["id"], stage["state"], stage["key"], dict(stage["inputs"]), stage["calls"][1]
        float(value["usd"][1])
    except OSError as error:
        raise CliError(f"{file.name} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        raise CliError(f"{file.name} is no plan", "make one with `nesyc plan --out FILE`") from None
    assert isinstance(value, dict)
    return value


def check_plan(build: Build, project: Project, plan: dict[str, Any]) -> None:
    """Raises `CliError` (exit 1) with all that differs between a plan and what would be done now."""
    from nesyc.cli.errors import CliError
    from nesyc_runtime.stages.plan_form import differences

    wanted = plan["run"]
    if wanted.get("spec") != build.spec.name:
        raise CliError(f"the plan is for the spec {wanted.get('spec')}, this is {build.spec.name}")
    now = plan_now(build, project, wanted["select"], wanted["refresh"], wanted["limit"] or 0)
    if found := differences(plan, now):
        lines = "".join(f"\n  {line}" for line in found)
        raise CliError(f"things are no longer as planned:{lines}", "look at `nesyc plan`, and plan again")
