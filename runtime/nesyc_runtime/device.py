"""The device that trains and answers, chosen with a reason, and whether its memory ran out."""

from __future__ import annotations

import re
from collections.abc import Mapping

from nesyc_runtime.errors import UserError

VARIABLE = "NESYC_DEVICE"
# What PyTorch says where the machine's own memory is used up; on a GPU it raises OutOfMemoryError.
HOST_MESSAGES = ("can't allocate memory", "not enough memory", "Cannot allocate memory")


def choose_device(environment: Mapping[str, str]) -> tuple[str, str]:
    """The device and why: what NESYC_DEVICE says, else a GPU that CUDA finds, else the CPU.

    Raises `UserError` where the variable names a device that is not there.
    """
    import torch  # it takes seconds

    asked = environment.get(VARIABLE, "").strip()
    if asked:
        if asked != "cpu" and not _is_gpu(asked):
            raise UserError(
                f"{VARIABLE}={asked}: there is no such device", "set it to cpu, cuda or cuda:N, or unset it"
            )
        return asked, f"{VARIABLE} says so"
    if torch.cuda.is_available():
        return "cuda", f"it is there: {torch.cuda.get_device_name()}"
    return "cpu", "CUDA finds no GPU"


def _is_gpu(name: str) -> bool:
    import torch

    found = re.fullmatch(r"cuda(?::(\d+))?", name)
    return found is not None and torch.cuda.is_available() and int(found[1] or 0) < torch.cuda.device_count()


def out_of_memory(error: BaseException) -> bool:
    """Whether what was raised says that the device, or the machine, has no memory left."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in HOST_MESSAGES)
