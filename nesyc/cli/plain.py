"""The commands that editors and hooks call, past typer, which takes as long to import as a spec to check.

What they do is what the commands so spelled do (a test holds them equal); every other spelling goes to typer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path


def plain_command(arguments: Sequence[str]) -> Callable[[], None] | None:
    """The command for `--version`, `check FILE` and `check FILE --json`; None for anything else."""
    match arguments:
        case ["--version"]:
            return _version
        case ["check", file, *rest] if not file.startswith("-") and rest in ([], ["--json"]):
            return partial(_check, Path(file), "json" if rest else "text")
    return None


def _version() -> None:
    from nesyc import __version__

    sys.stdout.write(f"nesyc {__version__}\n")
    sys.exit(0)


def _check(spec: Path, form: str) -> None:
    from nesyc.cli.current import choose
    from nesyc.cli.diagnostics import check_and_print

    choice, _ = choose(spec, None, None, {})
    sys.exit(check_and_print(choice, form, None))
