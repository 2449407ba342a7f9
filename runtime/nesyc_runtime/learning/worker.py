"""One process of a training that several do together: `python -m nesyc_runtime.learning.worker JOB`, under torchrun or srun.

The first process tells how far it is after each step, one JSON object a line on stdout. Where whoever started it is gone,
that fails, before a checkpoint is written, and ends them all: two trainings must not write there.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.job import read_job, write_error
from nesyc_runtime.learning.processes import share_of


def main(folder: Path) -> int:
    from nesyc_runtime.learning.finetune import run_job

    job = read_job(folder)
    share = share_of(os.environ, sharded=job.sharded)
    device = job.device
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', os.environ.get('SLURM_LOCALID', '0'))}"
    try:
        run_job(job, _tell if share.process == 0 else None, device=device, share=share)
    except UserError as error:
        write_error(folder, error)  # memory may run out in one alone; all else is found by all of them
        return 1
    return 0


def _tell(share: float, figures: dict[str, Any]) -> None:
    """Raises `BrokenPipeError` where nobody reads any more."""
    sys.stdout.write(json.dumps({"share": share, "figures": figures}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
