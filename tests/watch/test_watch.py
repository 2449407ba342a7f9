"""`nesyc check --watch`, as an editor's user has it: a process that answers every change."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

import pytest

from nesyc.cli.watch import _changed_since
from nesyc.parsing.depends import depends_on
from nesyc.parsing.project import load_spec
from tests.conftest import ROOT

SPEC = """nesy 1
kb family {
  relation parent(child: text, parent: text) { key (child, parent) }
  facts parent from csv("facts/parent.csv")
  include "rules.nesy"
}
"""
RULES = "nesy 1\nfragment of family\n"
PATIENCE = 60.0
"""Seconds until a test gives up: far more than a check takes anywhere."""


# A test run in the background ignores ctrl-C, and its children would with it.
AS_IN_A_TERMINAL = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    "from nesyc.cli import main; main()"
)


class Watched:
    """A running `nesyc check --watch --json`; its objects come one a line."""

    def __init__(self, folder: Path) -> None:
        command = [
            sys.executable,
            "-c",
            AS_IN_A_TERMINAL,
            "check",
            "a.nesy",
            "--watch",
            "--json",
        ]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.lines: Queue[str] = Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line)

    def until(self, *codes: str) -> None:
        """Wait for a check that finds just these (a file changed during a check is read a second time)."""
        found: list[str] | None = None
        while found != list(codes):
            try:
                line = self.lines.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"no check found {codes}, the last one {found}") from None
            found = [diagnostic["code"] for diagnostic in json.loads(line)["diagnostics"]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "facts").mkdir()
    (tmp_path / "a.nesy").write_text(SPEC)
    (tmp_path / "rules.nesy").write_text(RULES)
    (tmp_path / "facts" / "parent.csv").write_text("child,parent\nann,bob\n")
    return tmp_path


@pytest.fixture
def watched(folder: Path) -> Iterator[Watched]:
    running = Watched(folder)
    yield running
    running.process.kill()
    running.reader.join(PATIENCE)
    running.process.communicate()


def change(path: Path, text: str) -> None:
    """As editors write: a new file in the place of the old one."""
    beside = path.with_name(path.name + "~")
    beside.write_text(text)
    beside.replace(path)


def test_every_file_is_watched(folder: Path, watched: Watched) -> None:
    watched.until()
    change(folder / "facts" / "parent.csv", "child,nobody\nann,bob\n")
    watched.until("E0505")
    change(folder / "facts" / "parent.csv", "child,parent\nann,bob\n")
    watched.until()
    change(folder / "rules.nesy", RULES + "rule r: nosuch(a) :- parent(a, _);\n")
    watched.until("E0201")
    (folder / "rules.nesy").unlink()
    watched.until("E0205")
    change(folder / "rules.nesy", RULES)
    watched.until()
    change(folder / "nesyc.yaml", "nosuch: 1\n")
    watched.until("E0103")


def test_ctrl_c_ends_it_quietly(watched: Watched) -> None:
    watched.until()
    watched.process.send_signal(signal.SIGINT)
    assert watched.process.wait(PATIENCE) == 130
    assert watched.process.stderr is not None
    assert set(watched.process.stderr.read().splitlines()) <= {"watching 4 files; ctrl-C ends it"}


def test_what_a_spec_depends_on(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in depends_on(load_spec(folder / "a.nesy"))}
    assert names == {"a.nesy", "nesyc.yaml", "rules.nesy", "facts/parent.csv"}
    loaded = load_spec(ROOT / "specs" / "bbh.nesy")
    found = {path.name for path in depends_on(loaded)}
    assert {"nesyc.yaml", "bbh.nesy", "method.nesy"} <= found


def test_a_file_written_during_a_check_is_read_again() -> None:
    begun = 1_700_000_000_000_000_000
    assert _changed_since(begun, (begun + 1, 5, 5, 5))
    assert not _changed_since(begun, (begun - 10**9, 5, 5, 5))
    assert not _changed_since(begun, (2**62, 2**62, 5, 5))
    assert not _changed_since(begun, None)
