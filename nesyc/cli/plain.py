"""`nesyc check FILE` as editors and hooks call it, past typer, which takes as long to import as a spec to check.

What it does is what the command of that name does (a test holds the two equal); every other spelling goes to typer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path


def plain_check(arguments: Sequence[str]) -> Callable[[], None] | None:
    """The command for `check FILE` and `check FILE --json`; None for anything else."""
    match arguments:
        case ["check", file, *rest] if not file.startswith("-") and rest in ([], ["--json"]):
            return partial(_check, Path(file), "json" if rest else "text")
    return None


def _check(spec: Path, form: str) -> None:
    from nesyc.cli.current import choose
    from nesyc.cli.diagnostics import check_and_print

    choice, _ = choose(spec, None, None, {})
    sys.exit(check_and_print(choice, form, None))
