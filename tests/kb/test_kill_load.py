"""kill -9 amid loads of fact files: the store has all rows of one file or of the next, the reject file is whole."""

from __future__ import annotations

import csv
import dataclasses
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import INT, PLACE, TEXT, atom, kb, relation, rule, var

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store, open_store

HERE = Path(__file__).resolve().parent
LOADS = 400
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); import test_kill_load as t; t.main(t.Path(sys.argv[2]))"


def contents(number: int) -> list[tuple[str, str]]:
    """The lines of the file of this number: many or few, of which some are bad."""
    chosen = random.Random(number)
    start = chosen.randrange(500)
    size = chosen.choice([20, 300, 1500])
    rows = [(f"k{start + i}", "bad" if i % 97 == 0 else str(i)) for i in range(size)]
    return [("number", str(number)), *rows]


def world(number: int) -> ir.Kb:
    file = ir.FactFile("t", "csv", ir.Path("", "f.csv"), f"{number:064d}", 1.0, PLACE, "reject")
    head, body = atom("d", var("a")), atom("t", var("a"), var(None, INT))
    stored = relation("t", ("a", TEXT), ("n", INT), key=["a"], indexes=[("n",)])
    return kb([stored, relation("d", ("a", TEXT), derived=True)], [], [rule("r", head, body)], [["d"]], fact_files=[file])  # fmt: skip


def opened(folder: Path) -> Store:
    kb_ = dataclasses.replace(world(0), fact_files=())
    return open_store(folder / "kb.db", config.Kb.model_validate(encode(kb_)), emit_program(kb_).to_json())


def load(store: Store, folder: Path, number: int) -> None:
    with (folder / "f.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("a", "n"), *contents(number)])
    store.kb = config.Kb.model_validate(encode(world(number)))
    sync_source(store, {0: folder / "f.csv"}, folder / "rejects")
    evaluate(store)


def main(folder: Path) -> None:
    with opened(folder) as store:
        load(store, folder, 0)
        (folder / "ready").touch()
        for number in range(1, LOADS):
            load(store, folder, number)
        signal.pause()  # a fast machine is done: the kill falls after the last load


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_leaves_all_of_one_file_or_of_the_next(tmp_path: Path) -> None:
    source, seen = random.Random(7), set()
    for kill in range(int(os.environ.get("NESYC_KILLS", "6"))):
        folder = tmp_path / str(kill)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(HERE), str(folder)], cwd=HERE.parents[1])
        deadline = time.monotonic() + 60
        while not (folder / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(2 * source.random())
        assert process.poll() is None, "the child ended first: nothing was tested"
        process.kill()
        process.wait()
        seen.add(check(folder))
    assert len(seen) > 1 or int(os.environ.get("NESYC_KILLS", "6")) < 2


def check(folder: Path) -> int:
    """The number of the file that the store holds, after whatever a kill left."""
    plain = sqlite3.connect(folder / "kb.db")
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    found = plain.execute("SELECT a, n FROM t").fetchall()
    index = plain.execute('SELECT count(*) FROM "t.rows" INDEXED BY "t.rows.set"').fetchone()[0]
    triggers = plain.execute(
        "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 't.rows'"
    )
    assert index == len(found) and triggers.fetchone()[0] == 6
    plain.close()
    (number,) = (n for n in range(LOADS) if sorted(_good(n)) == sorted(found))
    rejected = _rejected(folder)
    # the reject file is put in its place before the load is made valid
    assert any(rejected == _bad(n) for n in (number, number + 1))
    with opened(folder) as store:  # what the kill left behind is taken up by the next load
        load(store, folder, number + 2)
        assert sorted(store.execute("SELECT a, n FROM t").fetchall()) == sorted(_good(number + 2))
        assert len(store.execute("SELECT a FROM d").fetchall()) == len(_good(number + 2))
    assert _rejected(folder) == _bad(number + 2)
    assert [path.name for path in (folder / "rejects").iterdir()] == ["t.csv"]
    return number


def _good(number: int) -> list[tuple[str, int]]:
    return [(a, int(n)) for a, n in contents(number) if n != "bad"]


def _bad(number: int) -> list[int]:
    return [line for line, (_, n) in enumerate(contents(number), 2) if n == "bad"]


def _rejected(folder: Path) -> list[int]:
    with (folder / "rejects" / "t.csv").open(encoding="utf-8", newline="") as file:
        return [int(row[1]) for row in list(csv.reader(file))[1:]]
