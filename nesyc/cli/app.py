"""The typer application: which function is which command."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from nesyc.cli.ask import ask
from nesyc.cli.check import check
from nesyc.cli.clean import clean
from nesyc.cli.compile import compile
from nesyc.cli.diff import diff
from nesyc.cli.docs import docs
from nesyc.cli.explain import explain
from nesyc.cli.export import export
from nesyc.cli.fit import app as fit
from nesyc.cli.fmt import fmt
from nesyc.cli.init import init
from nesyc.cli.kb import kb_app
from nesyc.cli.lsp import lsp
from nesyc.cli.plan import plan
from nesyc.cli.profile import profile
from nesyc.cli.query import query, why, whynot
from nesyc.cli.report import report
from nesyc.cli.retrieve import retrieve
from nesyc.cli.review import review
from nesyc.cli.run import run as run_command
from nesyc.cli.serve import serve
from nesyc.cli.show import app as show
from nesyc.cli.test import test
from nesyc.cli.verify import verify

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
    "diff": diff,
    "test": test,
    "explain": explain,
    "docs": docs,
    "report": report,
    "serve": serve,
    "export": export,
    "verify": verify,
    "clean": clean,
    "lsp": lsp,
}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(fit, name="fit")
app.add_typer(show, name="show")
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
