"""kill -9 amid loads, writes, decisions, imports and undos: the store stands as after a whole step."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from samples import fact
from test_history import Days, content, opened, world, write

from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.decisions import accept, edit, reject
from nesyc_runtime.kb.exchange import export_rows
from nesyc_runtime.kb.merge import merge
from nesyc_runtime.kb.past import undo
from nesyc_runtime.kb.store import Store
from nesyc_runtime.kb.sync import sync_source
from nesyc_runtime.kb.tabular import from_jsonl, to_jsonl

HERE = Path(__file__).resolve().parent
STEPS = 300
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); import test_kill_decisions as t; t.main(t.Path(sys.argv[2]))"


def load(store: Store, number: int) -> None:
    """Other facts in the text: many rows of the source change at once."""
    facts = [fact("said", f"p{number}.{i}", float(i)) for i in range(1100)]
    store.kb = config.Kb.model_validate(encode(world(*facts)))
    sync_source(store)


def step(store: Store, number: int) -> None:
    """The step of this number: it depends on nothing but the number and the store."""
    chosen = random.Random(number)
    ids = [row[0] for row in store.execute("SELECT id FROM lesson ORDER BY id")]
    what = chosen.choice(["write", "load", "accept", "edit", "reject", "import", "undo"])
    if what == "write" or not ids:
        write(store, *(f"lesson {chosen.randrange(30)}" for _ in range(8)))
    elif what == "load":
        load(store, number)
    elif what == "import":
        text = to_jsonl(export_rows(store, ["lesson"])).replace(
            '"body": "lesson 1', f'"body": "of file {number}, 1'
        )
        merge(store, {"f": from_jsonl(text, "f")}, who="ada")
    elif what == "undo":
        undo(store, who="ada")
    elif what == "edit":
        edit(store, "lesson", [chosen.choice(ids)], {"body": f"edited {number}"}, who="ada")
    else:
        (accept if what == "accept" else reject)(store, "lesson", [chosen.choice(ids)], who="ada")


def work(store: Store, first: int, last: int, done: Path | None = None) -> None:
    for number in range(first, last):
        with contextlib.suppress(UserError):  # such as an undo of what was changed since: refused whole
            step(store, number)
        if done is not None:
            done.write_text(str(number + 1))


def main(folder: Path) -> None:
    with opened(world(), folder / "kb.db", Days()) as store:
        (folder / "ready").touch()
        work(store, 0, STEPS, folder / "done")


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_leaves_the_state_after_a_whole_step(tmp_path: Path) -> None:
    source, killed = random.Random(5), 0
    for kill in range(int(os.environ.get("NESYC_KILLS", "6"))):
        folder = tmp_path / str(kill)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", CHILD, str(HERE), str(folder)], cwd=HERE.parents[1])
        deadline = time.monotonic() + 60
        while not (folder / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.005)
        time.sleep(source.random() * 1.5)
        killed += process.poll() is None
        process.kill()
        process.wait()
        plain = sqlite3.connect(folder / "kb.db")
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        found = content(plain)  # type: ignore[arg-type]
        plain.close()
        text = (folder / "done").read_text() if (folder / "done").exists() else ""
        done = int(text or 0)  # empty where it was killed while it wrote the number down
        with opened(world()) as store:
            work(store, 0, done)
            states = [content(store)]
            for number in range(done, min(done + 1, STEPS) if text else STEPS):
                work(store, number, number + 1)
                states.append(content(store))
        assert found in states
    assert killed, "the child always ended first: nothing was tested"
