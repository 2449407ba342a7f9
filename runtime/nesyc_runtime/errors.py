"""Errors of the runtime that a user can act on; the command line turns each into its exit code.

Anything else that escapes the runtime is a bug of nesyc.
"""

from __future__ import annotations

from typing import ClassVar


class RuntimeProblem(Exception):
    """`message` says what was found, `help` what to do about it."""

    exit_code: ClassVar[int]

    def __init__(self, message: str, help: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.help = help


class UserError(RuntimeProblem):
    """A mistake in what the user gave: the build, data, a setting of the environment."""

    exit_code = 1


class RequirementFailed(RuntimeProblem):
    """A `require` of an evaluation does not hold; everything ran and was written."""

    exit_code = 3


class Stopped(RuntimeProblem):
    """The run stopped with everything finished so far kept: the same command continues."""

    exit_code = 4
