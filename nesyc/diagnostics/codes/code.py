"""What is written down about one diagnostic code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Code:
    """`title` names the mistake, `why` says why it is one; `bad` has it and `good` mends it.

    Both examples are the text of `spec.nesy` without its first line `nesy 1`, and, where `world` is set, without the
    declarations of `world.WORLD`. `files` lie beside it. `found_by` names the command that reports the code where
    `nesyc check` cannot know it: what `bad` lacks then is a database, a forecast or a run.
    """

    code: str
    title: str
    why: str
    bad: str
    good: str
    files: Mapping[str, str] = field(default_factory=dict)
    world: bool = False
    found_by: str = "check"
