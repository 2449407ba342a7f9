"""`nesyc diff`: what a change of the KB or the spec changes: derived facts, prompts, stages."""

from __future__ import annotations

import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import CliError, SpecErrors
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    LimitOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console

if TYPE_CHECKING:
    from nesyc_runtime.artifact import Build
    from nesyc_runtime.project import Project
    from nesyc_runtime.stages.context import Context
    from nesyc_runtime.stages.last_run import Base

RevisionArgument = Annotated[
    str | None,
    typer.Argument(metavar="[REV]", help="A git revision (default: the last run).", show_default=False),
]
SHOWN = 20  # facts of each side in the text


def diff(
    revision: RevisionArgument = None,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show what changed since the last run, or since REV: derived facts, prompts, stages to run again."""
    from nesyc.cli.current import choose
    from nesyc.cli.session import open_build, open_session
    from nesyc_runtime.report.progress import ConsoleReporter

    given = parse_params(param)
    choice, _ = choose(spec, build, profile, given)
    compiled, project = open_build(spec, build, profile, given)
    with ExitStack() as stack:
        base = stack.enter_context(
            _last(project, compiled)
            if revision is None
            else _at(revision, project, compiled, choice.profile, choice.params)
        )
        reporter = stack.enter_context(ConsoleReporter(stderr_console()))
        ctx = stack.enter_context(open_session(compiled, project, reporter))
        result = compare(ctx, base, limit=limit)
    print_result(result, text_of(result), as_json=as_json, out=out)


def compare(ctx: Context, base: Base, *, limit: int) -> dict[str, Any]:
    """The object of the `diff` contract."""
    from nesyc_runtime.errors import UserError
    from nesyc_runtime.kb.review.difference import derived, difference
    from nesyc_runtime.stages.changed_prompts import changed_prompts
    from nesyc_runtime.stages.last_run import base_store
    from nesyc_runtime.stages.plan import make_plan
    from nesyc_runtime.stages.run import shown_name

    planned = make_plan(ctx)
    kbs: list[dict[str, Any]] = []
    with ExitStack() as stack:
        stores: dict[str, Any] = {}
        for kb in ctx.spec.kbs:
            now = ctx.knowledge.store(kb.name)
            try:
                then = stores[kb.name] = stack.enter_context(base_store(now, base))
            except UserError as error:
                kbs.append({"kb": kb.name, "problem": str(error), "gained": None, "lost": None})
                continue
            found = difference(derived(then), derived(now), now.declared, limit=limit)
            kbs.append({"kb": kb.name, "problem": None, **found})
        prompts = changed_prompts(ctx, base, stores)
    stages = [
        {"name": shown_name(ctx, one.node), "state": one.state, "why": list(one.why)}
        for one in planned
        if one.state != "done"
    ]
    return {"v": 1, "base": base.name, "kbs": kbs, "prompts": prompts, "stages": stages}


@contextmanager
def _last(project: Project, compiled: Build) -> Iterator[Base]:
    from nesyc_runtime.stages.last_run import last_run

    base = last_run(project, compiled.spec.name)
    if base is None:
        raise CliError(
            f"{compiled.spec.name} was never run: there is nothing to compare with",
            "name a git revision:  nesyc diff HEAD",
        )
    yield base


@contextmanager
def _at(
    revision: str, project: Project, compiled: Build, profile: str | None, params: Mapping[str, str]
) -> Iterator[Base]:
    """The spec as it was at a revision, compiled in a folder of its own; rows of stages and people are those of now."""
    from nesyc.cli.session import runtime_project
    from nesyc.pipeline import compile_spec
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.stages.last_run import Base

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "source"
        _export(revision, project.root, root)
        spec = root / compiled.spec.path
        if not spec.is_file():
            raise CliError(f"{compiled.spec.path} does not exist at {revision}", "name a later revision")
        (root / "nesyc.yaml").touch()
        built = compile_spec(spec, Path(folder) / "build", profile=profile, params=params)
        if built.name is None:
            raise SpecErrors(built.loaded, built.diagnostics)
        yield Base(revision, load_build(Path(folder) / "build" / built.name), {}, runtime_project(spec))


def _export(revision: str, root: Path, to: Path) -> None:
    """The files of the project folder at a revision."""
    command = ["git", "-C", str(root), "archive", "--format=tar", "--end-of-options", revision]
    try:
        made = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - a list, no shell
    except FileNotFoundError:
        raise CliError("git is not installed", "without REV the last run is compared with") from None
    if made.returncode:
        from nesyc.diagnostics.shown import shown

        lines = made.stderr.decode("utf-8", "replace").strip().splitlines()
        raise CliError(
            f"git cannot read {revision}: {shown(lines[-1]) if lines else 'no reason given'}", "see `git log`"
        )
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        archive.extractall(to, filter="data")


def text_of(result: Mapping[str, Any]) -> str:
    """The result as people read it."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: Mapping[str, Any]) -> Iterator[str]:
    from nesyc.cli.review_text import fact_text

    yield f"since {result['base']}"
    for kb in result["kbs"]:
        if kb["problem"]:
            yield f"kb {kb['kb']}: {kb['problem']}"
            continue
        gained, lost = kb["gained"], kb["lost"]
        yield (
            f"kb {kb['kb']}: {gained['total']} derived facts gained, {lost['total']} lost, "
            f"{kb['other_confidence']} with another confidence"
        )
        for side, sign in ((gained, "+"), (lost, "-")):
            yield from (f"  {sign} {fact_text(fact)}" for fact in side["facts"][:SHOWN])
            if side["total"] > SHOWN:
                yield f"  {sign} and {side['total'] - SHOWN} more"
    for one in result["prompts"]:
        of = "training prompts from" if one["training"] else "prompts on"
        told = f"{one['name']}: {one['changed']} of {one['items']} {of} {one['split']} changed"
        if one["changed"] and one["answered"] is not None:
            told += f", answered before: {one['answered']['right']} right, {one['answered']['wrong']} wrong"
        yield told
    if not result["stages"]:
        yield "no stage would run again"
    for stage in result["stages"]:
        yield f"{stage['name']}: would {'wait' if stage['state'] == 'blocked' else 'run'}: {'; '.join(stage['why'])}"
