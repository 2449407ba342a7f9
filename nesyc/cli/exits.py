"""How a command ends: exceptions become messages and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import NoReturn

from nesyc.cli import errors


def run(command: Callable[[], object]) -> NoReturn:
    """Run a command and exit; the one place where an exception becomes an exit code."""
    try:
        command()
    except errors.SpecErrors as error:
        from nesyc.cli.diagnostics import print_diagnostics

        print_diagnostics(error.loaded, error.diagnostics, as_json="--json" in sys.argv)
        sys.exit(errors.USER_ERROR)
    except errors.TextErrors as error:
        _refuse_text(error)
        sys.exit(errors.USER_ERROR)
    except errors.CliError as error:
        _complain(error.message, error.help)
        sys.exit(error.code)
    except KeyboardInterrupt:
        _complain("interrupted", "the same command continues where it stopped")
        sys.exit(errors.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(errors.OK)
    except Exception as error:
        _runtime_error(error)
    sys.exit(errors.OK)


def _runtime_error(error: Exception) -> NoReturn:
    """The runtime's own errors carry a message, a way out and an exit code; anything else is a bug of nesyc."""
    message, code = getattr(error, "message", None), getattr(error, "exit_code", None)
    if isinstance(message, str) and isinstance(code, int):
        _complain(message, getattr(error, "help", ""))
        sys.exit(code)
    if os.environ.get("NESYC_TRACEBACK"):
        raise error
    if (
        isinstance(error, OSError) and error.filename is not None
    ):  # a full disk, a folder where a file should be
        _complain(f"`{error.filename}` cannot be used: {(error.strerror or 'unknown reason').lower()}")
        sys.exit(errors.USER_ERROR)
    _complain(
        f"a bug in nesyc: {type(error).__name__}: {error}",
        "run again with NESYC_TRACEBACK=1 and report what it prints",
    )
    sys.exit(errors.BUG)


def _refuse_text(error: errors.TextErrors) -> None:
    from nesyc.cli.output import print_result, stderr_console
    from nesyc.diagnostics import render_text, to_json

    stderr_console().print(render_text(error.diagnostics, error.sources), markup=False)
    if "--json" in sys.argv:
        print_result(to_json(error.diagnostics, error.sources), None, as_json=True, out=None)


def _complain(message: str, help: str = "") -> None:
    from nesyc.cli.output import stderr_console, to_json

    if "--json" in sys.argv:
        sys.stdout.write(to_json({"v": 1, "ok": False, "error": {"message": message, "help": help}}) + "\n")

    console = stderr_console()
    console.print("[bold red]error[/bold red]:", end=" ")
    console.print(message, markup=False)
    if help:
        console.print(f"  = help: {help}", markup=False)
