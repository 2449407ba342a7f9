"""`nesyc explain CODE`: what a diagnostic means, why it is one, and how the mended text looks."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from nesyc.cli.options import JsonOption, OutOption

if TYPE_CHECKING:
    from nesyc.diagnostics.codes import Code

CodeArgument = Annotated[
    str | None,
    typer.Argument(metavar="[CODE]", help="Such as E0402; without one, all are listed.", show_default=False),
]


def explain(code: CodeArgument = None, as_json: JsonOption = False, out: OutOption = None) -> None:
    """Explain a diagnostic code, with a bad and a good example; list all codes without one."""
    from nesyc.cli.output import print_result
    from nesyc.diagnostics.codes import CODES

    if code is None:
        listed = [{"code": entry.code, "title": entry.title} for entry in CODES.values()]
        text = "\n".join(f"{entry.code}  {entry.title}" for entry in CODES.values())
        print_result({"v": 1, "codes": listed}, text, as_json=as_json, out=out)
        return
    entry = CODES.get(code.strip().upper())
    if entry is None:
        from nesyc.cli.errors import CliError
        from nesyc.diagnostics import near_names

        near = near_names(code.strip().upper(), CODES)
        way_out = f"did you mean {' or '.join(near)}?" if near else "`nesyc explain` lists all codes"
        raise CliError(f"there is no diagnostic `{code}`", help=way_out)
    print_result({"v": 1, **asdict(entry)}, _page(entry), as_json=as_json, out=out)


def _page(entry: Code) -> str:
    def indented(text: str) -> str:
        return "\n".join(f"    {line}".rstrip() for line in text.splitlines())

    notes = []
    if entry.found_by != "check":
        notes.append(f"Reported by `nesyc {entry.found_by}`, not by `check`.")
    if entry.world:
        notes.append("The examples leave out declarations; docs/diagnostics.md has them.")
    if entry.code.startswith("W"):
        notes.append(f'`allow({entry.code}, "why")` in the file or the KB switches it off.')
    parts = (entry.why, *notes, "Wrong:", indented(entry.bad), "Right:", indented(entry.good))
    return f"{entry.code}: {entry.title}\n\n" + "\n\n".join(parts) + "\n"
