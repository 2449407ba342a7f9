"""`make bench`: run the benchmarks one after another and print their tables."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from inspect import signature
from pathlib import Path

from bench import machine, tables

HERE = Path(__file__).parent
SUPPORT = {"__init__", "__main__", "machine", "tables", "clock"}
HOURS = {"quality"}  # run by itself
NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in SUPPORT | HOURS)


def main() -> int:
    """Exit 0 whatever the figures are: speed decides nothing, it is read."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(NAMES)}; all where none is given"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes only, where a benchmark has several"
    )
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found = []
    for name in given.names or NAMES:
        before = machine.load()
        run = importlib.import_module(f"bench.{name}").run
        figures = run(quick=True) if given.quick and "quick" in signature(run).parameters else run()
        found.append(
            {"bench": name, "load": [before, machine.load()], "figures": [f.as_json() for f in figures]}
        )
        if not given.json:
            tables.show(name, figures, found[-1]["load"])
    if given.json:
        json.dump({"v": 1, "machine": machine.describe(), "benchmarks": found}, sys.stdout, indent=1)
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
