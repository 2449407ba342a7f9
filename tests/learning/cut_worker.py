"""A process of a training as `nesyc_runtime.learning.worker` is one, that writes a checkpoint after every step and dies in one.

`python cut_worker.py JOB STEP`: started as the launcher of a test does, by torchrun.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nesyc_runtime.learning.finetune import run_finetune
from nesyc_runtime.learning.job import read_job
from nesyc_runtime.learning.processes import share_of


def main(folder: Path, cut: int) -> None:
    job = read_job(folder)

    def progress(_share: float, figures: dict[str, Any]) -> None:
        if figures["step"] == cut:
            os._exit(9)

    run_finetune(
        job.stage, job.student, job.task, job.rows, job.module, job.out, seed=job.seed, progress=progress,
        project=job.project, checkpoint_every=0.0, share=share_of(os.environ, sharded=job.sharded),
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
