"""What is written down about one diagnostic code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Code:
    """`title` names the mistake, `why` says why it is one; `bad` has it and `good` mends it.

    Both examples are .nesy text without the first line `nesy 1`.
    """

    code: str
    title: str
    why: str
    bad: str
    good: str
