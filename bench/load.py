"""Loading facts from CSV beside `sqlite3 .import` into a table with the same keys, in CPU seconds; and memory."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.clock import command_cpu
from bench.tables import Figure

ROWS = int(os.environ.get("NESYC_BENCH_ROWS", "1000000"))
SPEC = """nesy 1
kb big {
  relation edge(a: text, b: text, kind: text) { key (a, b), index (b) }
  facts edge from csv("edge.csv")
}
"""
PEER = """CREATE TABLE edge (a TEXT NOT NULL, b TEXT NOT NULL, kind TEXT NOT NULL, PRIMARY KEY (a, b));
CREATE INDEX edge_b ON edge (b);
.mode csv
.import --skip 1 edge.csv edge
"""
PYTHON_PEER = """import csv, sqlite3
from pathlib import Path
Path("peer.db").unlink(missing_ok=True)
connection = sqlite3.connect("peer.db")
connection.executescript(Path("peer.sql").read_text().split(".mode")[0])
with open("edge.csv", newline="") as file:
    rows = csv.reader(file)
    next(rows)
    connection.executemany("INSERT INTO edge VALUES (?, ?, ?)", rows)
connection.commit()
"""
# opens the KB as every command does, then prints the most memory it needed, in KiB
LOAD = """import resource, sys
from pathlib import Path
from nesyc.cli.session import open_build
from nesyc_runtime.kb.open import open_kb
build, project = open_build(Path("big.nesy"), None, None, {})
Path("big.db").unlink(missing_ok=True)
open_kb(build, project, build.spec.kbs[0]).close()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def run() -> list[Figure]:
    """Facts of three texts, a million in the end (NESYC_BENCH_ROWS: another number)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nesyc.yaml").touch()
        (folder / "big.nesy").write_text(SPEC)
        (folder / "peer.sql").write_text(PEER)
        figures: list[Figure] = []
        memory = None
        for rows in (ROWS // 20, ROWS // 3, ROWS):
            _write(folder, rows)
            subprocess.run(
                [sys.executable, "-c", LOAD], cwd=folder, check=True, capture_output=True
            )  # compiles
            load = command_cpu([sys.executable, "-c", LOAD], folder, repeats=1)
            peer, against = _peer(folder)
            figures.append(Figure(f"load {rows} facts from CSV", load, "CPU s", peer, against))
            needed = _memory(folder)
            figures.append(Figure(f"memory for {rows} facts", needed, "MiB", memory, "the size before"))
            memory = needed
        return figures


def _peer(folder: Path) -> tuple[float, str]:
    """CPU seconds of the same rows under the same keys, and by what."""
    if shutil.which("sqlite3"):
        command = ["sh", "-c", "rm -f peer.db; sqlite3 peer.db < peer.sql"]
        return command_cpu(command, folder, repeats=1), "sqlite3 .import"
    return command_cpu([sys.executable, "-c", PYTHON_PEER], folder, repeats=1), "csv and executemany"


def _write(folder: Path, rows: int) -> None:
    with (folder / "edge.csv").open("w", encoding="utf-8") as file:
        file.write("a,b,kind\n")
        file.writelines(f"node {i * 7919 % rows},node {i},kind {i % 50}\n" for i in range(rows))


def _memory(folder: Path) -> float:
    """The most memory that a load needed, in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1]) / 1024
