"""The store as a file: nothing runs twice, a crash at any time loses nothing, two processes wait for each other."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import derived, open_kb
from samples import TEXT, atom, fact, family, kb, relation, rule, var

from nesyc.ir import nodes as ir
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.rows import Claim, hold, interned

HERE = Path(__file__).resolve().parent


def closure(n: int, semantics: str = "max_product") -> ir.Kb:
    x, y, z = var("x"), var("y"), var("z")
    edges = [fact("e", str(i), str((i * 7 + 3) % n), conf=0.9, line=i) for i in range(n)]
    edges += [fact("e", str(i), str((i * 5 + 1) % n), conf=0.8, line=i) for i in range(n)]
    return kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True)],
        edges,
        [rule("one", atom("tc", x, y), atom("e", x, y)), rule("more", atom("tc", x, z), atom("tc", x, y), atom("e", y, z))],
        [["tc"]], semantics=semantics,
    )  # fmt: skip


def test_nothing_runs_where_nothing_changed(tmp_path: Path) -> None:
    with open_kb(closure(40), tmp_path / "kb.db") as store:
        assert not evaluate(store).ran and not sync_source(store)
        changes = store.connection.total_changes
        evaluate(store)
        assert store.connection.total_changes == changes
        plan = store.relation("e")
        with store.writing():
            hold(store, plan, interned(store, plan, ("0", "new")), Claim("person", 1.0, "human"))
            store.facts_changed()
        assert evaluate(store).ran
        assert store.execute("SELECT count(*) FROM tc WHERE b = 'new'").fetchone()[0] == 40
    with open_kb(closure(40), tmp_path / "kb.db") as again:
        assert not evaluate(again).ran


def test_a_changed_rule_runs_again(tmp_path: Path) -> None:
    with open_kb(closure(10), tmp_path / "kb.db") as store:
        before = derived(store, closure(10))
    with open_kb(closure(10, "max_min"), tmp_path / "kb.db") as store:
        assert derived(store, closure(10, "max_min")) != before


def test_tables_read_well_from_outside(tmp_path: Path) -> None:
    with open_kb(family(), tmp_path / "kb.db"):
        pass
    plain = sqlite3.connect(tmp_path / "kb.db")
    assert plain.execute("SELECT a, b, rel FROM kin WHERE a = 'ann' ORDER BY b").fetchall() == [
        ("ann", "bob", "father"),
        ("ann", "carl", "grandfather"),
    ]
    assert plain.execute("SELECT child, role, conf, origin, owner FROM parent WHERE conf < 1").fetchall() == [
        ("bob", "father", 0.95, "human", "source:kb.nesy")
    ]
    assert plain.execute("PRAGMA foreign_key_check").fetchall() == []
    plain.close()


CHILD = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from running import open_kb
from test_store import closure
print("ready", flush=True)
open_kb(closure(int(sys.argv[3])), Path(sys.argv[2])).close()
"""


def child(path: Path, n: int) -> subprocess.Popen[bytes]:
    """A process that has loaded everything and now makes the store."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(HERE), str(path), str(n)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline().strip() == b"ready"
    return process


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs kill -9")
def test_a_kill_at_any_time_leaves_what_the_next_run_finishes(tmp_path: Path) -> None:
    n, path, source = 250, tmp_path / "kb.db", random.Random(1)
    with open_kb(closure(n)) as store:
        wanted = derived(store, closure(n))
    unbroken = child(tmp_path / "unbroken.db", n)
    started = time.monotonic()
    assert unbroken.wait() == 0
    takes = time.monotonic() - started
    killed = 0
    for _ in range(int(os.environ.get("NESYC_KILLS", "6"))):
        process = child(path, n)
        time.sleep(source.random() * takes)
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        if path.exists():
            check = sqlite3.connect(path)
            assert check.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            check.close()
        with open_kb(closure(n), path) as store:
            assert derived(store, closure(n)) == wanted
        path.unlink()  # the next child begins from nothing: one that finds all done ends before the kill
    assert killed, "the child always ended first: nothing was tested"


@pytest.mark.slow
def test_two_processes_at_once_end_with_one_right_store(tmp_path: Path) -> None:
    path = tmp_path / "kb.db"
    both = [child(path, 60), child(path, 60)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    with open_kb(closure(60), path) as store, open_kb(closure(60)) as fresh:
        assert derived(store, closure(60)) == derived(fresh, closure(60))
        assert not evaluate(store).ran


def test_a_load_that_fails_leaves_the_cache_as_it_was(tmp_path: Path) -> None:
    with open_kb(closure(5), tmp_path / "kb.db") as store:
        size = "PRAGMA cache_size"
        before = store.execute(size).fetchone()
        with pytest.raises(KeyboardInterrupt), store.loading():
            assert abs(store.execute(size).fetchone()[0]) < abs(before[0]), "it is written once"
            raise KeyboardInterrupt
        assert store.execute(size).fetchone() == before


def test_a_text_that_another_program_deleted_is_named_as_damage(tmp_path: Path) -> None:
    with open_kb(closure(5), tmp_path / "kb.db") as store:
        symbol = store.find_symbol("3")
        assert symbol is not None
    with sqlite3.connect(tmp_path / "kb.db") as other:
        other.execute('DELETE FROM "nesyc.symbol" WHERE id = ?', (symbol,))
    other.close()
    with (
        open_kb(closure(5), tmp_path / "kb.db") as store,
        pytest.raises(UserError, match=r"kb\.db is damaged"),
    ):
        store.text(symbol)
