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
    """A million facts of three texts (NESYC_BENCH_ROWS: another number)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "nesyc.yaml").touch()
        (folder / "big.nesy").write_text(SPEC)
        small = _memory(folder, ROWS // 10)
        large = _memory(folder, ROWS)
        load = command_cpu([sys.executable, "-c", LOAD], folder, repeats=1)
        figures = [
            Figure(f"memory for {ROWS} facts", large / 1024, "MiB", small / 1024, f"for {ROWS // 10}"),
        ]
        if shutil.which("sqlite3"):
            (folder / "peer.sql").write_text(PEER)
            peer = command_cpu(["sh", "-c", "rm -f peer.db; sqlite3 peer.db < peer.sql"], folder, repeats=1)
            figures.insert(0, Figure(f"load {ROWS} facts from CSV", load, "CPU s", peer, "sqlite3 .import"))
        return figures


def _memory(folder: Path, rows: int) -> float:
    with (folder / "edge.csv").open("w", encoding="utf-8") as file:
        file.write("a,b,kind\n")
        file.writelines(f"node {i * 7919 % rows},node {i},kind {i % 50}\n" for i in range(rows))
    done = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=folder, check=True, capture_output=True, text=True
    )
    return float(done.stdout.split()[-1])
