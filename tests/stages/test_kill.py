"""kill -9 at any moment, then the same command again: it goes on, repeats no call, and ends the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from nesyc_runtime.stages.items import ItemLog
from nesyc_runtime.stages.run import Options, run
from tests.stages.world import World

ROOT = Path(__file__).resolve().parents[2]


def main(folder: Path, pause: float) -> None:
    """What the child process does: one whole run, slowly."""
    world = World(folder, pause)
    teacher = (folder / "teacher.py").read_text()
    slow = teacher.replace("number =", f"time.sleep({pause})\n    number =")
    (folder / "teacher.py").write_text("import time\n" + slow)
    with ExitStack() as stack:
        ctx = world.context(stack)
        run(ctx, Options())
        outputs = {
            id_: (done.folder / "responses.jsonl").read_text()
            for id_, done in ctx.done.items()
            if (done.folder / "responses.jsonl").exists()
        }
        counts = {id_: done.info["counts"] for id_, done in ctx.done.items()}
    (folder / "result.json").write_text(json.dumps([outputs, counts], sort_keys=True))


def start(folder: Path, pause: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.stages.test_kill", str(folder), str(pause)]
    return subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"}
    )


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def kill_when(folder: Path, condition: str) -> None:
    """Kill a run as soon as its traces show that it is in the middle of what is named."""
    process = start(folder, 0.02)
    deadline = time.monotonic() + 60
    try:
        while process.poll() is None and time.monotonic() < deadline:
            if middle_of(folder, condition):
                break
            time.sleep(0.002)
        assert process.poll() is None, "the run ended before it could be killed"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(30)


def middle_of(folder: Path, what: str) -> bool:
    stages = folder / ".nesy" / "stages"
    logs = [len(lines(file)) for file in stages.glob("*.partial/log.jsonl")]
    calls = lines(folder / "calls.txt")
    match what:
        case "sampling":
            return len(calls) >= 5
        case "extraction":
            return sum(call.startswith("extract") for call in calls) >= 3
        case "mining":
            return bool(logs) and not any(call.startswith("extract") for call in calls) and max(logs) >= 2
        case "training":
            return any(stages.glob("*.partial/fold-1"))
        case _:
            return any(call.startswith("extract") for call in calls) and bool(logs) and max(logs) >= 2


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[str]]:
    folder = tmp_path_factory.mktemp("unbroken")
    process = start(folder, 0.02)
    assert process.wait(120) == 0
    return (folder / "result.json").read_text(), sorted(lines(folder / "calls.txt"))


@pytest.mark.parametrize("when", ["sampling", "training", "mining", "extraction", "evaluation"])
def test_a_killed_run_goes_on(tmp_path: Path, unbroken: tuple[str, list[str]], when: str) -> None:
    kill_when(tmp_path, when)
    before = lines(tmp_path / "calls.txt")
    assert start(tmp_path, 0.02).wait(120) == 0
    result, calls = unbroken
    assert (tmp_path / "result.json").read_text() == result
    made = lines(tmp_path / "calls.txt")
    repeated = len(made) - len(set(made))
    assert repeated <= 1, made  # the one call that was in flight
    assert made[: len(before)] == before
    assert sorted(set(made)) == calls


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    with ItemLog(file) as log:
        log.put("a", {"text": "é\u2028 x"})
        log.put("b", 2)
    whole = file.read_bytes()
    for cut in range(len(whole) + 1):
        file.write_bytes(whole[:cut])
        with ItemLog(file) as log:
            kept = len(log)
            log.put("c", 3)
        with ItemLog(file) as log:
            assert "c" in log and len(log) == kept + 1
            assert kept == whole[:cut].count(b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
