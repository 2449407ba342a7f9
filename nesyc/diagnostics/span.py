"""Places in source text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range `[start, end)` of code points in the file `file` (project-relative, `/`)."""

    file: str
    start: int
    end: int
