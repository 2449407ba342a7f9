"""What a student's size says of time, where this machine has not trained or asked one like it yet.

A model of P parameters takes about 6 P operations to train on a token and 2 P to read or write one (Kaplan et al. 2020,
section 2.1). How many a machine does in a second lies far apart; the ranges are from a slow laptop to a fast GPU.
"""

from __future__ import annotations

import re

from nesyc_runtime import config

Range = tuple[float, float]
TRAINING = (2e14, 1e10)  # operations a second: fast, slow
ANSWERING = (1e13, 2e9)  # written token by token
OVERHEAD = (1e-4, 0.02)  # seconds for each example or item besides: calls, batches, files
UNKNOWN_TRAINING, UNKNOWN_ANSWERING = (0.002, 2.0), (0.005, 5.0)
CHARACTERS = 355  # tokens of `tokenizer = .characters`
LEAST_TOKENS = 8
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([mb])(?![a-z])", re.IGNORECASE)


def parameters_of(base: config.Base) -> float | None:
    """About how many parameters a base has, by its architecture or its name; None where neither tells."""
    if base.kind == "scratch":
        layers, width = base.architecture.get("layers"), base.architecture.get("width")
        if isinstance(layers, int) and isinstance(width, int):
            return 12.0 * layers * width**2 + 2 * CHARACTERS * width
        return None
    path = base.path.pattern if base.path is not None else ""
    for name in (base.file, base.name, path, base.package):
        found = _SIZE.findall((name or "").replace("_", "-"))
        if found:
            number, unit = found[-1]
            return float(number) * (1e6 if unit in "mM" else 1e9)
    return None


def training_seconds(student: config.Student) -> Range:
    """Of one example in one training task, once."""
    parameters = parameters_of(student.base)
    if parameters is None:
        return UNKNOWN_TRAINING
    low, high = 6 * parameters * LEAST_TOKENS, 6 * parameters * student.max_tokens
    return low / TRAINING[0] + OVERHEAD[0], high / TRAINING[1] + OVERHEAD[1]


def answering_seconds(student: config.Student) -> Range:
    """Of one question."""
    parameters = parameters_of(student.base)
    if parameters is None:
        return UNKNOWN_ANSWERING
    low, high = 2 * parameters * LEAST_TOKENS, 2 * parameters * student.max_tokens
    return low / ANSWERING[0] + OVERHEAD[0], high / ANSWERING[1] + OVERHEAD[1]
