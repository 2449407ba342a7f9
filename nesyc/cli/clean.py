"""`nesyc clean`: free the disk of what can be made again."""

from __future__ import annotations

from typing import Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)

YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would go, delete nothing.")]


def clean(
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Delete builds, superseded stages and unpacked bases; never answers, knowledge, runs or the last models."""
    from nesyc.cli.current import choose
    from nesyc.cli.errors import CliError
    from nesyc.cli.output import print_result, render, stderr_console
    from nesyc.cli.session import runtime_project
    from nesyc_runtime.stages.clean import leftovers, remove
    from nesyc_runtime.stages.shelf import project_lock

    choice, _ = choose(spec, build, profile, parse_params(param))
    project = runtime_project(choice.spec)
    with project_lock(project.state_dir):
        found = leftovers(project, choice.build)
        lines = [f"{_shown(one.bytes):>10}  {project.shown(one.folder)}/  {one.why}" for one in found]
        total = sum(one.bytes for one in found)
        doing = bool(found) and not dry_run
        if doing and not yes and as_json:
            raise CliError(
                f"{len(found)} folders would go", "add --yes to delete them, --dry-run to see them"
            )
        if doing and not yes:
            stderr_console().print(render("\n".join(lines), colour=False), markup=False, end="")
            doing = typer.confirm(f"Delete {len(found)} folders, {_shown(total)}?", err=True)
        freed = remove(found) if doing else 0
    lines.append(
        "nothing to delete"
        if not found
        else f"{_shown(freed)} freed"
        if doing
        else f"{_shown(total)} could go"
    )
    value = {
        "v": 1,
        "done": doing,
        "bytes": total,
        "folders": [{"path": project.shown(o.folder), "why": o.why, "bytes": o.bytes} for o in found],
    }
    print_result(value, "\n".join(lines), as_json=as_json, out=out)


def _shown(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"
