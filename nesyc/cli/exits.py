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
    except SystemExit as error:
        if error.code == errors.USAGE and "--json" in sys.argv:  # typer has said on stderr what it wants
            _print_error("wrong usage", "see standard error, or add `--help`")
        raise
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
        _show(error)
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


def _show(error: Exception) -> None:
    """An error of the runtime: with its place in the source where it has one, on stdout as JSON where that is asked for."""
    from nesyc.cli.output import stderr_console, to_json
    from nesyc.cli.placed import diagnostic_of, error_json
    from nesyc.diagnostics import render_one
    from nesyc.diagnostics import to_json as check_json

    found = diagnostic_of(error)
    if "--json" in sys.argv:
        problems = check_json([found[0]], found[1]) if found is not None else {}
        sys.stdout.write(to_json({**problems, **error_json(error)}) + "\n")
    if found is not None:
        stderr_console().print(render_one(*found), markup=False, end="")
        return
    _complain_in_text(str(error), getattr(error, "help", ""))


def _refuse_text(error: errors.TextErrors) -> None:
    from nesyc.cli.output import print_result, stderr_console
    from nesyc.diagnostics import render_text, to_json

    stderr_console().print(render_text(error.diagnostics, error.sources), markup=False)
    if "--json" in sys.argv:
        print_result(to_json(error.diagnostics, error.sources), None, as_json=True, out=None)


def _complain(message: str, help: str = "") -> None:
    if "--json" in sys.argv:
        _print_error(message, help)
    _complain_in_text(message, help)


def _print_error(message: str, help: str) -> None:
    from nesyc.cli.output import to_json

    sys.stdout.write(to_json({"v": 1, "ok": False, "error": {"message": message, "help": help}}) + "\n")


def _complain_in_text(message: str, help: str) -> None:
    from nesyc.cli.output import stderr_console

    console = stderr_console()
    console.print("[bold red]error[/bold red]:", end=" ")
    console.print(message, markup=False)
    if help:
        console.print(f"  = help: {help}", markup=False)
