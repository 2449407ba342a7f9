"""kill -9 amid loads, writes, decisions, imports and undos: the store stands as after a whole step."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
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
from nesyc_runtime.hashing import digest
from nesyc_runtime.kb.exchange.exchange import export_rows
from nesyc_runtime.kb.exchange.merge import merge
from nesyc_runtime.kb.exchange.tabular import from_jsonl, to_jsonl
from nesyc_runtime.kb.review.decisions import accept, edit, reject
from nesyc_runtime.kb.review.past import undo
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store

HERE = Path(__file__).resolve().parent
STEPS = 300
KINDS = {
    "all": ["write", "load", "accept", "edit", "reject", "import", "undo"],
    "load": ["load"],
    "review": ["write", "accept", "edit", "reject", "undo"],
    "import": ["write", "import", "import", "import"],
}
CHILD = "import sys; sys.path.insert(0, sys.argv[1]); import test_kill_decisions as t; t.main(t.Path(sys.argv[2]), sys.argv[3])"


def load(store: Store, number: int) -> None:
    """Other facts in the text: many rows of the source change at once."""
    facts = [fact("said", f"p{number}.{i}", float(i)) for i in range(1100)]
    store.kb = config.Kb.model_validate(encode(world(*facts)))
    sync_source(store)


def step(store: Store, number: int, kinds: list[str]) -> None:
    """The step of this number: it depends on nothing but the number and the store."""
    chosen = random.Random(number)
    ids = [row[0] for row in store.execute("SELECT id FROM lesson ORDER BY id")]
    what = chosen.choice(kinds)
    if what == "load":
        load(store, number)
    elif what == "write" or not ids:
        write(store, *(f"lesson {chosen.randrange(30)}" for _ in range(8)))
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


def work(store: Store, number: int, kinds: list[str]) -> None:
    with contextlib.suppress(UserError):  # such as an undo of what was changed since: refused whole
        step(store, number, kinds)


def main(folder: Path, what: str) -> None:
    with opened(world(), folder / "kb.db", Days()) as store:
        (folder / "ready").touch()
        for number in range(STEPS):
            work(store, number, KINDS[what])
            (folder / "done").write_text(str(number + 1))
        signal.pause()  # a kill is never too late: the steps it falls on are chosen, not the time


class States:
    """What a store holds after each number of steps, worked out once for all kills."""

    def __init__(self, store: Store, kinds: list[str]) -> None:
        self._store, self._kinds = store, kinds
        self._known = [self._now()]

    def _now(self) -> str:
        return digest(repr(content(self._store)))

    def after(self, steps: int) -> str:
        while len(self._known) <= steps:
            work(self._store, len(self._known) - 1, self._kinds)
            self._known.append(self._now())
        return self._known[steps]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
@pytest.mark.parametrize("what", KINDS)
def test_a_kill_leaves_the_state_after_a_whole_step(tmp_path: Path, what: str) -> None:
    source, seen = random.Random(f"5 {what}"), set()
    kills = int(os.environ.get("NESYC_KILLS", "2"))
    with opened(world()) as store:
        states = States(store, KINDS[what])
        for kill in range(kills):
            folder = tmp_path / str(kill)
            folder.mkdir()
            _kill(folder, what, source)
            found = _whole_content(folder)
            text = (folder / "done").read_text() if (folder / "done").exists() else ""
            done = int(text or 0)  # empty where it was killed while it wrote the number down
            possible = range(done, (min(done + 1, STEPS) if text else STEPS) + 1)
            assert any(states.after(steps) == found for steps in possible)
            seen.add(found)
            shutil.rmtree(folder)
    assert kills < 10 or len(seen) > 5, "the kills fell on a few moments only"


def _kill(folder: Path, what: str, source: random.Random) -> None:
    """Kill a child a random moment after a random step of its work."""
    command = [sys.executable, "-c", CHILD, str(HERE), str(folder), what]
    process = subprocess.Popen(command, cwd=HERE.parents[1])
    steps, deadline = source.randrange(STEPS * 9 // 10), time.monotonic() + 120
    while _done(folder) < steps and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(source.random() * 0.02)
    assert process.poll() is None, "the child ended by itself"
    process.kill()
    process.wait()


def _done(folder: Path) -> int:
    """How many steps a child has done, as far as it has said."""
    file = folder / "done"
    return int((file.read_text() if file.exists() else "") or 0)


def _whole_content(folder: Path) -> str:
    """What the store holds, read by SQLite alone, whose check finds it whole."""
    plain = sqlite3.connect(folder / "kb.db")
    assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    found = digest(repr(content(plain)))  # type: ignore[arg-type]
    plain.close()
    return found
