"""Diagnostics on the terminal, in a file, or as JSON and SARIF."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from nesyc.cli.current import Choice
    from nesyc.diagnostics import Diagnostic
    from nesyc.parsing.project import Loaded
    from nesyc.workspace import Checked


def check_and_print(choice: Choice, form: str, out: Path | None) -> int:
    """Check a spec and print what is wrong as `text`, `json` or `sarif`; the exit code."""
    from nesyc.cli.errors import OK, USER_ERROR

    checked = check_once(choice, form, out)
    wrong = any(diagnostic.severity == "error" for diagnostic in checked.diagnostics)
    return USER_ERROR if wrong else OK


def check_once(choice: Choice, form: str, out: Path | None) -> Checked:
    """Check a spec and print what is wrong as `text`, `json` or `sarif`."""
    from nesyc.workspace import check_spec

    checked = check_spec(choice.spec, profile=choice.profile, params=choice.params)
    if form == "sarif":
        print_sarif(checked.loaded, checked.diagnostics, out=out)
    else:
        print_diagnostics(checked.loaded, checked.diagnostics, as_json=form == "json", out=out)
    return checked


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
    from nesyc.diagnostics import counted

    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    warnings = len(diagnostics) - errors
    counts = [counted(number, word) for number, word in ((errors, "error"), (warnings, "warning")) if number]
    files = counted(len(loaded.files), "file")
    return f"{loaded.main.path}: {' and '.join(counts) or 'no problems'} ({files})\n"
