"""What a machine is asked to do: the device that trains and answers, and the precision that training computes in."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from nesyc_runtime.errors import UserError

VARIABLE = "NESYC_DEVICE"
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed", "bf16-true")


def choose_device(environment: Mapping[str, str]) -> tuple[str, str]:
    """The device and why: what NESYC_DEVICE says, else a GPU that CUDA finds, else the CPU.

    Raises `UserError` where the variable names a device that is not there.
    """
    asked = environment.get(VARIABLE, "").strip()
    if asked:
        if asked != "cpu" and not (asked.startswith("cuda") and torch.cuda.is_available()):
            raise UserError(
                f"{VARIABLE}={asked}: there is no such device", "set it to cpu or cuda, or unset it"
            )
        return asked, f"{VARIABLE} says so"
    if torch.cuda.is_available():
        return "cuda", f"it is there: {torch.cuda.get_device_name()}"
    return "cpu", "CUDA finds no GPU"


def choose_precision(asked: str | None, device: str) -> tuple[str, str]:
    """Lightning's name of the precision, and why. Weights stay in float32 unless `bf16-true` is asked for.

    On a CPU bfloat16 is no faster, without instructions for it much slower, and costs digits.
    """
    if asked is not None:
        return asked, "asked for by the spec"
    if not device.startswith("cuda"):
        return "32-true", "bfloat16 is no faster on a CPU"
    if torch.cuda.is_bf16_supported():
        return "bf16-mixed", "the GPU computes in bfloat16"
    return "32-true", "the GPU has no bfloat16"
