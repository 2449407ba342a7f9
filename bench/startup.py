"""How soon the command line answers, from a cold start, in CPU seconds, beside Python's own start."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.clock import command_cpu
from bench.tables import Figure

ROOT = Path(__file__).resolve().parents[1]
SPEC = ROOT / "tests" / "samples" / "kinship" / "kinship.nesy"


def run() -> list[Figure]:
    """`nesyc --version`, `nesyc --help` and `nesyc check` of the kinship sample."""
    nesyc = str(Path(sys.executable).with_name("nesyc"))
    commands = {
        "nesyc --version": ([nesyc, "--version"], 0.12),
        "nesyc --help": ([nesyc, "--help"], 0.5),
        "nesyc check kinship.nesy": ([nesyc, "check", SPEC.name], 0.35),
    }
    bare = Figure("python -c pass", command_cpu([sys.executable, "-c", "pass"], ROOT), "CPU s")
    figures = [
        Figure(what, command_cpu(command, SPEC.parent), "CPU s", limit, "the limit we set")
        for what, (command, limit) in commands.items()
    ]
    return [bare, *figures]
