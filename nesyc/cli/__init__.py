"""The command line: the only part of nesyc that prints or exits."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script `nesyc`."""
    from nesyc.cli.exits import run
    from nesyc.cli.plain import plain_command

    command = plain_command(sys.argv[1:])
    if command is None:
        from nesyc.cli.app import app

        command = app
    run(command)
