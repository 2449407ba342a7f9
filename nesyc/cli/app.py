"""The typer application: which function is which command, and how errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from nesyc.cli import errors
from nesyc.cli.ask import ask
from nesyc.cli.check import check
from nesyc.cli.compile import compile
from nesyc.cli.docs import docs
from nesyc.cli.explain import explain
from nesyc.cli.fit import app as fit
from nesyc.cli.fmt import fmt
from nesyc.cli.init import init
from nesyc.cli.kb import kb_app
from nesyc.cli.lsp import lsp
from nesyc.cli.plan import plan
from nesyc.cli.profile import profile
from nesyc.cli.query import query, why, whynot
from nesyc.cli.retrieve import retrieve
from nesyc.cli.review import review
from nesyc.cli.run import run as run_command
from nesyc.cli.test import test

app = typer.Typer(
    name="nesyc",
    help="A declarative language and compiler for neuro-symbolic distillation.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

COMMANDS: dict[str, Callable[..., None]] = {
    "init": init,
    "check": check,
    "fmt": fmt,
    "compile": compile,
    "plan": plan,
    "run": run_command,
    "ask": ask,
    "query": query,
    "why": why,
    "whynot": whynot,
    "profile": profile,
    "retrieve": retrieve,
    "review": review,
    "test": test,
    "explain": explain,
    "docs": docs,
    "lsp": lsp,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(fit, name="fit")
app.add_typer(kb_app)


def _version(wanted: bool) -> None:
    if wanted:
        from nesyc import __version__

        typer.echo(f"nesyc {__version__}")
        raise typer.Exit()


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A declarative language and compiler for neuro-symbolic distillation."""


def run() -> NoReturn:
    """Run the command line; the one place where an exception becomes an exit code."""
    try:
        app()
    except errors.SpecErrors as error:
        from nesyc.cli.check import print_diagnostics

        print_diagnostics(error.loaded, error.diagnostics, as_json="--json" in sys.argv)
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
    _complain(
        f"a bug in nesyc: {type(error).__name__}: {error}",
        "run again with NESYC_TRACEBACK=1 and report what it prints",
    )
    sys.exit(errors.BUG)


def _complain(message: str, help: str = "") -> None:
    from nesyc.cli.output import stderr_console, to_json

    if "--json" in sys.argv:
        sys.stdout.write(to_json({"v": 1, "ok": False, "error": {"message": message, "help": help}}) + "\n")

    console = stderr_console()
    console.print("[bold red]error[/bold red]:", end=" ")
    console.print(message, markup=False)
    if help:
        console.print(f"  = help: {help}", markup=False)
