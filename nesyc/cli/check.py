"""`nesyc check`: everything that is wrong with a spec, in one run."""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

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

if TYPE_CHECKING:
    from pathlib import Path

    from nesyc.cli.current import Choice


class Format(Enum):
    """The forms of `--format`."""

    text = "text"
    json = "json"
    sarif = "sarif"


FormatOption = Annotated[
    Format | None,
    typer.Option("--format", help="How to print: text, json (as --json), or sarif.", show_default=False),
]

WatchOption = Annotated[
    bool, typer.Option("--watch", help="Check again whenever a file changes, until ctrl-C.")
]


def check(
    spec_file: SpecArgument = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    format_: FormatOption = None,
    again: WatchOption = False,
    out: OutOption = None,
) -> None:
    """Check a spec and everything it includes; exit 1 where it has errors."""
    if as_json and format_ not in (None, Format.json):
        raise typer.BadParameter(
            f"`--json` and `--format {format_.value}` cannot both be", param_hint="--format"
        )
    from nesyc.cli.current import choose
    from nesyc.cli.diagnostics import check_and_print

    choice, _ = choose(named_spec(spec_file, spec), build, profile, parse_params(param))
    form = (format_ or (Format.json if as_json else Format.text)).value
    if again:
        _watch(choice, form, out)
    code = check_and_print(choice, form, out)
    if code:
        raise typer.Exit(code)


def _watch(choice: Choice, form: str, out: Path | None) -> NoReturn:
    """Check after every change until ctrl-C, which is how it ends (exit 130, as for any interrupted command)."""
    from nesyc.cli.diagnostics import check_once
    from nesyc.cli.errors import INTERRUPTED
    from nesyc.cli.watch import clear_screen, watch
    from nesyc.diagnostics import counted
    from nesyc.parsing.depends import depends_on

    def act() -> frozenset[Path]:
        if form == "text" and out is None:
            clear_screen()
        files = depends_on(check_once(choice, form, out).loaded)
        sys.stderr.write(f"watching {counted(len(files), 'file')}; ctrl-C ends it\n")
        return files

    try:
        watch(act)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
