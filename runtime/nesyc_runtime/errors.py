"""Errors of the runtime that a user can act on; the command line turns each into its exit code.

Anything else that escapes the runtime is a bug of nesyc.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar


def placed(message: str, code: str = "", span: Mapping[str, Any] | None = None) -> str:
    """`message` in one line, after its place and code: `kin.nesy:12: E0504: ...`."""
    place = f"{span['file']}:{span['line']}" if span is not None else ""
    return ": ".join(part for part in (place, code, message) if part)


class RuntimeProblem(Exception):
    """`message` says what was found, `help` what to do about it.

    `code` is one that `nesyc explain` knows, `span` the place in a source that it is about (a SPAN of the contracts):
    with both, the command line shows it as it shows what `nesyc check` finds, from the file below `root`, the project's
    folder, which whoever opened the project fills in (`placed_below`).
    """

    exit_code: ClassVar[int]
    root: Path | None = None

    def __init__(
        self, message: str, help: str = "", *, code: str = "", span: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(placed(message, code, span))
        self.message = message
        self.help = help
        self.code = code
        self.span = span


class UserError(RuntimeProblem):
    """A mistake in what the user gave: the build, data, a setting of the environment."""

    exit_code = 1


class RequirementFailed(RuntimeProblem):
    """A `require` of an evaluation does not hold; everything ran and was written."""

    exit_code = 3


class Stopped(RuntimeProblem):
    """The run stopped with everything finished so far kept: the same command continues."""

    exit_code = 4


@contextmanager
def placed_below(root: Path) -> Iterator[None]:
    """Let the problems raised within say which project their places stand in."""
    try:
        yield
    except RuntimeProblem as problem:
        problem.root = root
        raise
