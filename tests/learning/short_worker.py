"""A process of a training as `nesyc_runtime.learning.worker` is one, where process 1 has room for so many tokens of a micro-batch.

`python short_worker.py JOB`, with the number in ROOM: started as the launcher of a test does, by torchrun.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from nesyc_runtime.learning import prepared
from nesyc_runtime.learning.worker import main

load = prepared.import_module


def short_module(path: Path) -> Any:
    made: Any = load(path)
    whole = made.token_loss

    def loss(model: Any, micro: Any) -> Any:
        if os.environ["RANK"] == "1" and micro.ids.numel() > int(os.environ["ROOM"]):
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return whole(model, micro)

    made.token_loss = loss
    return made


if __name__ == "__main__":
    prepared.import_module = short_module
    sys.exit(main(Path(sys.argv[1])))
