"""`nesyc check`: everything that is wrong with a spec, in one run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
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
    parse_params,
)

if TYPE_CHECKING:
    from pathlib import Path

    from nesyc.cli.current import Choice
    from nesyc.diagnostics import Diagnostic
    from nesyc.parsing.project import Loaded
    from nesyc.pipeline import Checked


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
    from nesyc.cli.errors import USER_ERROR

    choice, _ = choose(spec_file or spec, build, profile, parse_params(param))
    form = format_ or (Format.json if as_json else Format.text)
    if again:
        _watch(choice, form, out)
    checked = _check_once(choice, form, out)
    if any(diagnostic.severity == "error" for diagnostic in checked.diagnostics):
        raise typer.Exit(USER_ERROR)


def _check_once(choice: Choice, form: Format, out: Path | None) -> Checked:
    from nesyc.pipeline import check_spec

    checked = check_spec(choice.spec, profile=choice.profile, params=choice.params)
    if form is Format.sarif:
        print_sarif(checked.loaded, checked.diagnostics, out=out)
    else:
        print_diagnostics(checked.loaded, checked.diagnostics, as_json=form is Format.json, out=out)
    return checked


def _watch(choice: Choice, form: Format, out: Path | None) -> NoReturn:
    """Check after every change until ctrl-C, which is how it ends (exit 130, as for any interrupted command)."""
    from nesyc.cli.errors import INTERRUPTED
    from nesyc.cli.watch import clear_screen, watch
    from nesyc.parsing.depends import depends_on

    def act() -> frozenset[Path]:
        if form is Format.text and out is None:
            clear_screen()
        files = depends_on(_check_once(choice, form, out).loaded)
        sys.stderr.write(f"watching {_count(len(files), 'file')}; ctrl-C ends it\n")
        return files

    try:
        watch(act)
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None


def print_diagnostics(
    loaded: Loaded,
    diagnostics: Sequence[Diagnostic],
    *,
    as_json: bool,
    out: Path | None = None,
) -> None:
    """Print diagnostics and their count on stdout (or into `out`), as text or as the JSON contract has it."""
    from nesyc.cli.output import print_result
    from nesyc.diagnostics import to_json

    sources = loaded.sources
    text = None if as_json else _text(loaded, diagnostics, colour=out is None and sys.stdout.isatty())
    print_result(to_json(diagnostics, sources), text, as_json=as_json, out=out)


def print_sarif(loaded: Loaded, diagnostics: Sequence[Diagnostic], *, out: Path | None) -> None:
    """Print diagnostics as a SARIF log, on stdout or into `out`."""
    from nesyc import __version__
    from nesyc.cli.output import print_result
    from nesyc.diagnostics.sarif import to_sarif

    print_result(to_sarif(diagnostics, loaded.sources, __version__), None, as_json=True, out=out)


def report_warnings(loaded: Loaded, diagnostics: Sequence[Diagnostic]) -> None:
    """Show warnings on stderr, for a command whose stdout is for something else."""
    if diagnostics:
        sys.stderr.write(_text(loaded, diagnostics, colour=sys.stderr.isatty()))


def _text(loaded: Loaded, diagnostics: Sequence[Diagnostic], *, colour: bool) -> str:
    from nesyc.diagnostics import render_one

    sources = loaded.sources
    shown = [render_one(diagnostic, sources) for diagnostic in diagnostics]
    if colour:
        from nesyc.cli.colour import coloured

        shown = [coloured(text) for text in shown]
    return "\n".join([*shown, _summary(loaded, diagnostics)])


def _summary(loaded: Loaded, diagnostics: Sequence[Diagnostic]) -> str:
    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [_count(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    files = _count(len(loaded.files), "file")
    return f"{loaded.main.path}: {' and '.join(counts) or 'no problems'} ({files})\n"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
