"""Starts a training in several processes and waits for it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.learning.history import Progress
from nesyc_runtime.learning.job import Job, beside, read_error, write_job
from nesyc_runtime.learning.memory import MemoryRanOut, shrunk

WORKER = "nesyc_runtime.learning.worker"
SHOWN = 600  # characters of what a process said last that an error shows


def torchrun(processes: int) -> list[str]:
    """The command that starts so many processes on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
    return [*launcher, str(processes), "-m"]


def launch(
    job: Job,
    launcher: Sequence[str],
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> None:
    """Run a job's processes under `launcher`, to which `MODULE JOB` is added; `progress` as for `run_finetune`.

    Where memory runs out in one of them they begin again from the checkpoint, with micro-batches half as large, and `warn` gets a
    sentence. Raises the `UserError` that a process ended with, or one with what it said last.
    """
    while True:
        try:
            _launch_once(job, launcher, progress)
            return
        except MemoryRanOut as error:
            if job.too_large is not None and error.tokens >= job.too_large[1]:
                raise  # it was not held to what it was told
            job = replace(job, too_large=(error.step, error.tokens))
            if warn is not None:
                warn(shrunk(error.step, error.tokens, job.stage.batch))


def _launch_once(job: Job, launcher: Sequence[str], progress: Progress | None) -> None:
    folder = beside(job.out, "job")
    shutil.rmtree(folder, ignore_errors=True)
    write_job(folder, job)
    try:
        with (folder / "log").open("w", encoding="utf-8") as log:
            started = subprocess.Popen(  # noqa: S603  (the launcher is of nesyc.yaml or torchrun, no spec names it)
                [*launcher, WORKER, str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # nobody reads it when this process is gone: the training ends
                stderr=log,
                text=True,
            )
            with started:
                _follow(started, progress)
    except OSError as error:
        raise UserError(
            f"the launcher {launcher[0]} cannot be started: {error.strerror}", "see `training` in nesyc.yaml"
        ) from None
    if started.returncode:
        said = (folder / "log").read_text(encoding="utf-8", errors="replace")[-SHOWN:]
        raise read_error(folder) or UserError(
            f"a process of the training ended with {started.returncode}: {printable(said, SHOWN)}"
        )
    # in this order: a checkpoint after the last step has its best weights
    for kept in ("checkpoint", "best"):
        beside(job.out, kept).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _follow(started: subprocess.Popen[str], progress: Progress | None) -> None:
    assert started.stdout is not None
    for line in started.stdout:
        try:
            told = json.loads(line)
            share, figures = told["share"], told["figures"]
        except (ValueError, KeyError, TypeError):
            continue  # what a library prints
        if progress is not None:
            progress(share, figures)
