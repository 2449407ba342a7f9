"""`nesyc plan`: what a run would do, why, and about what it would take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console

if TYPE_CHECKING:
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.project import Project

SelectOption = Annotated[
    list[str] | None, typer.Option("--select", metavar="STAGE", help="Only this stage, and what it needs.")
]
ItemsOption = Annotated[
    int, typer.Option("--limit", metavar="N", min=0, help="At most N items of each split; 0 means all.")
]


def plan(
    spec_file: SpecArgument = None,
    select: SelectOption = None,
    limit: ItemsOption = 0,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show the state of every stage, why it would run, and what it would take."""
    from nesyc.cli.session import open_build

    compiled, project = open_build(spec_file or spec, build, profile, parse_params(param))
    show_plan(compiled, project, select or [], limit, as_json=as_json, out=out)


def show_plan(
    build: Build, project: Project, select: Sequence[str], limit: int, *, as_json: bool, out: Path | None
) -> None:
    from nesyc.cli.session import open_session
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.report.tables import plan_table
    from nesyc_runtime.stages.plan import make_plan, plan_json

    with ConsoleReporter(stderr_console()) as reporter, open_session(build, project, reporter, limit) as ctx:
        result = plan_json(ctx, make_plan(ctx, select))
    print_result(result, plan_table(result), as_json=as_json, out=out)
