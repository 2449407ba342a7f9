"""What `docs` and `report` share: an HTML page written, named, and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from nesyc.cli.output import print_result
from nesyc.emit.files import write_atomic

OpenOption = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]


def write_page(file: Path, page: str, value: dict[str, Any], *, as_json: bool, show: bool) -> None:
    """Write the page and print where it is, or `value` with its `file`; open it where `show` says so."""
    write_atomic(file, page)
    print_result({**value, "file": file.as_posix()}, file.as_posix(), as_json=as_json, out=None)
    if show:
        import webbrowser

        webbrowser.open(file.resolve().as_uri())
