"""`nesyc kb migrate`: bring a store up to a changed schema, shown first, without losing what was written."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import STOPPED, CliError
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    KbOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nesyc_runtime.artifact import Build
    from nesyc_runtime.kb.storage.migration import TableChange
    from nesyc_runtime.project import Project

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, change nothing.")]
LossOption = Annotated[
    bool, typer.Option("--allow-loss", help="Go on where written values are lost; the history keeps them.")
]


def migrate(
    dry_run: DryRunOption = False,
    allow_loss: LossOption = False,
    kb: KbOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show and make the changes that the schema of the spec asks for; refuses to lose written rows (E0506)."""
    from nesyc.cli.session import open_build
    from nesyc_runtime.errors import placed_below
    from nesyc_runtime.kb.open import choose_kb, migration
    from nesyc_runtime.kb.open import migrate as bring_up
    from nesyc_runtime.kb.storage.migration import describe

    compiled, project = open_build(spec, build, profile, parse_params(param))
    chosen = choose_kb(compiled.spec, kb)
    changes = migration(compiled, project, chosen)
    if not dry_run:
        with placed_below(project.root):
            bring_up(compiled, project, chosen, allow_loss=allow_loss)
    lines = [*describe(changes)] or ["stored rows stay as they are"]
    result = {"v": 1, "kb": chosen.name, "done": not dry_run, "changes": _contract(changes)}
    print_result(result, "\n".join(lines), as_json=as_json, out=out)


def agreed_changes(compiled: Build, project: Project) -> list[dict[str, str]]:
    """What a changed schema does to written rows, as decisions of a run: shown, and at a terminal asked for first.

    Raises `CliError` (exit 4) where the answer is no; nothing is changed then.
    """
    from nesyc_runtime.kb.open import migration
    from nesyc_runtime.kb.storage.migration import describe

    made: list[dict[str, str]] = []
    for kb in compiled.spec.kbs:
        changes = [one for one in migration(compiled, project, kb) if one.written]
        told = "; ".join(describe(changes))
        if not told:
            continue
        stderr_console().print(f"kb {kb.name}: {told}", markup=False, highlight=False)
        refused = any(one.loses for one in changes)  # E0506 says so
        if not refused and sys.stdin.isatty() and not typer.confirm("Change the stored rows so?", err=True):
            raise CliError(
                "the run needs the changed schema; nothing was changed", "nesyc kb migrate", STOPPED
            )
        made.append({"what": f"kb {kb.name}, its stored rows", "choice": told, "why": "the schema changed"})
    return made


def _contract(changes: Sequence[TableChange]) -> list[dict[str, Any]]:
    return [
        {
            "relation": change.relation,
            "what": "new" if change.new else "gone" if change.gone else "changed",
            "written": change.written,
            "added": list(change.added),
            "lost": list(change.lost),
            "missing": list(change.missing),
            "loses": change.loses,
        }
        for change in changes
    ]
