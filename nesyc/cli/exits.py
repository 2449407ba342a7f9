"""How a command ends: exceptions become messages and exit codes."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from nesyc.cli import errors


def run(command: Callable[[], object]) -> NoReturn:
    """Run a command and exit; the one place where an exception becomes an exit code."""
    try:
        command()
    except errors.Stop as stop:
        _end(stop.cause, as_json=False)
    except BaseException as error:
        _end(error, as_json="--json" in sys.argv)
    sys.exit(errors.OK)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, by which clusters and containers end a process, be what ctrl-C is: the results are written yet."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(error: BaseException, *, as_json: bool) -> NoReturn:
    match error:
        case errors.SpecErrors():
            from nesyc.cli.diagnostics import print_diagnostics

            print_diagnostics(error.loaded, error.diagnostics, as_json=as_json)
            sys.exit(errors.USER_ERROR)
        case errors.TextErrors():
            _refuse_text(error, as_json)
            sys.exit(errors.USER_ERROR)
        case errors.CliError():
            _complain(error.message, error.help, as_json)
            sys.exit(error.code)
        case SystemExit():
            if error.code == errors.USAGE and as_json:  # typer has said on stderr what it wants
                _print_error("wrong usage", "see standard error, or add `--help`")
            raise error
        case KeyboardInterrupt():
            from nesyc.cli.placed import GO_ON, INTERRUPTED

            _complain(INTERRUPTED, GO_ON, as_json)
            sys.exit(errors.INTERRUPTED)
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(errors.OK)
        case Exception():
            _end_of_runtime(error, as_json)
    raise error


def _end_of_runtime(error: Exception, as_json: bool) -> NoReturn:
    """The runtime's own errors carry a message, a way out and an exit code; anything else is a bug of nesyc."""
    message, code = getattr(error, "message", None), getattr(error, "exit_code", None)
    if isinstance(message, str) and isinstance(code, int):
        _show(error, as_json)
        sys.exit(code)
    if os.environ.get("NESYC_TRACEBACK"):
        raise error
    if (
        isinstance(error, OSError) and error.filename is not None
    ):  # a full disk, a folder where a file should be
        reason = (error.strerror or "unknown reason").lower()
        _complain(f"`{error.filename}` cannot be used: {reason}", "", as_json)
        sys.exit(errors.USER_ERROR)
    if isinstance(error, FileNotFoundError) and not _stands_somewhere():
        _complain("the folder this was started in is gone", "change to one that is there", as_json)
        sys.exit(errors.USER_ERROR)
    _complain(
        f"a bug in nesyc: {type(error).__name__}: {error}",
        "run again with NESYC_TRACEBACK=1 and report what it prints",
        as_json,
    )
    sys.exit(errors.BUG)


def _stands_somewhere() -> bool:
    try:
        return bool(str(Path.cwd()))
    except FileNotFoundError:
        return False


def _show(error: Exception, as_json: bool) -> None:
    """An error of the runtime: with its place in the source where it has one."""
    from nesyc.cli.output import stderr_console, to_json
    from nesyc.cli.placed import diagnostic_of, error_object, fields_of
    from nesyc.diagnostics import render_one
    from nesyc.diagnostics import to_json as check_json

    found = diagnostic_of(error)
    if as_json:
        problems = check_json([found[0]], found[1]) if found is not None else {}
        sys.stdout.write(to_json({**problems, **error_object(fields_of(error))}) + "\n")
    if found is not None:
        stderr_console().print(render_one(*found), markup=False, end="")
    else:
        _complain(str(error), getattr(error, "help", ""), as_json=False)


def _refuse_text(error: errors.TextErrors, as_json: bool) -> None:
    from nesyc.cli.output import print_result, stderr_console
    from nesyc.diagnostics import render_text, to_json

    stderr_console().print(render_text(error.diagnostics, error.sources), markup=False)
    if as_json:
        print_result(to_json(error.diagnostics, error.sources), None, as_json=True, out=None)


def _complain(message: str, help: str, as_json: bool) -> None:
    from nesyc.cli.output import stderr_console

    if as_json:
        _print_error(message, help)
    console = stderr_console()
    console.print("[bold red]error[/bold red]:", end=" ")
    console.print(message, markup=False)
    if help:
        console.print(f"  = help: {help}", markup=False)


def _print_error(message: str, help: str) -> None:
    from nesyc.cli.output import to_json
    from nesyc.cli.placed import error_object

    sys.stdout.write(to_json(error_object({"message": message, "help": help})) + "\n")
