"""The command line: the only part of nesyc that prints or exits."""

from __future__ import annotations


def main() -> None:
    """The console script `nesyc`."""
    from nesyc.cli.app import run

    run()
