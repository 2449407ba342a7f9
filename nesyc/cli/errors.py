"""Errors a command ends with, and the exit codes they mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nesyc.diagnostics import Diagnostic, SourceMap
    from nesyc.parsing.project import Loaded

OK, USER_ERROR, USAGE, FAILED, STOPPED, BUG, INTERRUPTED = 0, 1, 2, 3, 4, 70, 130


class CliError(Exception):
    """A mistake of the user's that no source span carries: `message` and a way out, exit code `code`."""

    def __init__(self, message: str, help: str = "", code: int = USER_ERROR) -> None:
        super().__init__(message)
        self.message, self.help, self.code = message, help, code


class Stop(Exception):
    """A command ends for `cause` after it has printed its result: stdout gets no second object."""

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


class TextErrors(Exception):
    """A query or a fact has mistakes; they are printed as those of a spec are, exit code 1."""

    def __init__(self, diagnostics: Sequence[Diagnostic], sources: SourceMap) -> None:
        super().__init__("; ".join(f"{found.code}: {found.message}" for found in diagnostics))
        self.diagnostics, self.sources = diagnostics, sources


class SpecErrors(Exception):
    """The spec has errors; they are printed as `nesyc check` prints them, exit code 1."""

    def __init__(self, loaded: Loaded, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("the spec has errors")
        self.loaded, self.diagnostics = loaded, diagnostics
