"""`nesyc fmt`: .nesy files in the one style."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.options import JsonOption, OutOption

if TYPE_CHECKING:
    from nesyc.diagnostics import Diagnostic

PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="[PATH]...",
        help="Files and folders (default: this folder); `-` formats standard input.",
        show_default=False,
    ),
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Write nothing; list what would change and exit 1 if anything would.")
]
DiffOption = Annotated[
    bool, typer.Option("--diff", help="Write nothing; print the changes and exit 1 if there are any.")
]
StdinOption = Annotated[
    str, typer.Option("--stdin-filename", metavar="FILE", help="What messages call standard input.")
]


@dataclass(frozen=True, slots=True)
class _Result:
    """One file: its text before and after; `after` is None where `diagnostics` say why not."""

    name: str
    before: str
    after: str | None
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def state(self) -> str:
        if self.after is None:
            return "failed"
        return "unchanged" if self.after == self.before else "changed"


def fmt(
    paths: PathsArgument = None,
    check: CheckOption = False,
    diff: DiffOption = False,
    stdin_filename: StdinOption = "<stdin>",
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Format .nesy files in place; a file with syntax errors stays as it is (exit 1)."""
    from nesyc.cli.errors import OK, USER_ERROR
    from nesyc.cli.output import print_result

    named = paths or [Path()]
    writes = not (check or diff)
    from_stdin = named == [Path("-")]
    results = [_standard_input(stdin_filename)] if from_stdin else _files(named, write=writes)
    _report_failures(results, as_json=as_json)
    states = {result.state for result in results}
    ok = "failed" not in states and (writes or "changed" not in states)
    value = _json(results, ok=ok, diff=diff)
    if from_stdin and writes:
        value["text"] = text = results[0].after
    else:
        text = "".join(_diff(result) for result in results) if diff else _summary(results, writes=writes)
    print_result(value, text or None, as_json=as_json, out=out)
    raise typer.Exit(OK if ok else USER_ERROR)


def _standard_input(name: str) -> _Result:
    from nesyc.diagnostics import Diagnostic
    from nesyc.diagnostics.span import Span

    try:
        text = sys.stdin.buffer.read().decode("utf-8")
    except UnicodeDecodeError as error:
        problem = Diagnostic(
            "E0205", "standard input is not UTF-8 text", Span(name, 0, 0), f"byte {error.start}"
        )
        return _Result(name, "", None, (problem,))
    return _formatted(name, text)


def _files(paths: Sequence[Path], *, write: bool) -> list[_Result]:
    from nesyc.cli.sources import find_sources
    from nesyc.diagnostics import Diagnostic
    from nesyc.diagnostics.span import Span
    from nesyc.emit.files import write_atomic
    from nesyc.parsing.paths import read_source

    results = []
    for path in find_sources(paths):
        name = path.as_posix()
        text = read_source(name, path, Span(name, 0, 0))
        result = _formatted(name, text) if isinstance(text, str) else _Result(name, "", None, (text,))
        if write and result.state == "changed" and result.after is not None:
            try:
                write_atomic(path.resolve(), result.after)
            except OSError as error:
                reason = (error.strerror or "unknown reason").lower()
                problem = Diagnostic("E0205", f"`{name}` cannot be written", Span(name, 0, 0), reason)
                result = _Result(name, result.before, None, (problem,))
        results.append(result)
    return results


def _formatted(name: str, text: str) -> _Result:
    from nesyc.format import format_text

    formatted = format_text(name, text)
    return _Result(name, text, formatted.text, formatted.diagnostics)


def _report_failures(results: Sequence[_Result], *, as_json: bool) -> None:
    """Diagnostics on stderr: stdout is for the result."""
    from nesyc.cli.colour import coloured
    from nesyc.diagnostics import SourceMap, render_one

    if as_json:
        return
    for result in results:
        for diagnostic in result.diagnostics:
            shown = render_one(diagnostic, SourceMap({result.name: result.before}))
            sys.stderr.write((coloured(shown) if sys.stderr.isatty() else shown) + "\n")


def _json(results: Sequence[_Result], *, ok: bool, diff: bool) -> dict[str, Any]:
    from nesyc.diagnostics import SourceMap, to_json

    found = to_json(
        [diagnostic for result in results for diagnostic in result.diagnostics],
        SourceMap({result.name: result.before for result in results}),
    )
    files: list[dict[str, Any]] = [{"file": result.name, "state": result.state} for result in results]
    if diff:
        for file, result in zip(files, results, strict=True):
            file["diff"] = _diff(result)
    counts = {state: sum(result.state == state for result in results) for state in _STATES}
    return {
        "v": 1,
        "ok": ok,
        **counts,
        "files": files,
        "diagnostics": found["diagnostics"],
    }


_STATES = ("changed", "unchanged", "failed")


def _summary(results: Sequence[_Result], *, writes: bool) -> str:
    from nesyc.diagnostics.shown import shown

    verb = "formatted" if writes else "would format"
    lines = [f"{verb} {shown(result.name)}\n" for result in results if result.state == "changed"]
    words = {
        "changed": "formatted" if writes else "to format",
        "unchanged": "unchanged",
        "failed": "with errors",
    }
    counts = [
        f"{count} {'file' if count == 1 else 'files'} {words[state]}"
        for state in _STATES
        if (count := sum(result.state == state for result in results))
    ]
    return "".join(lines) + (", ".join(counts) or "no .nesy files") + "\n"


def _diff(result: _Result) -> str:
    """A unified diff, empty for a file that stays; on a terminal without what could move its cursor."""
    from nesyc.diagnostics.shown import shown

    if result.state != "changed" or result.after is None:
        return ""
    before, after = (text.splitlines(keepends=True) for text in (result.before, result.after))
    lines = difflib.unified_diff(before, after, result.name, result.name)
    whole = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    if sys.stdout.isatty():
        return "".join(shown(line.removesuffix("\n")) + "\n" for line in whole)
    return "".join(whole)
