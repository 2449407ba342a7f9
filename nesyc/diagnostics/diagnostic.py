"""The one diagnostic object behind text, JSON and everything an editor shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nesyc.diagnostics.span import Span


@dataclass(frozen=True, slots=True)
class Related:
    """A second place, and what it has to do with the first.

    `cause` says that the reader should look here first: this place is then marked with `^` and the
    diagnostic's own with `-` (a variable is *needed* in one place, but what is wrong stands in the other).
    """

    span: Span
    message: str
    cause: bool = False


@dataclass(frozen=True, slots=True)
class Edit:
    """Replace the text of `span` by `text`; an empty span inserts."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Help:
    """What to do about it; `edits` do it, all of them together."""

    message: str
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake of the user's.

    `message` says what was found, `label` stands under the place itself, `notes` say why it is wrong,
    `help` what to do. `code` is a key of `nesyc.diagnostics.codes.CODES`. `names` are what nobody can know because of
    it: what a declaration that cannot be read would have declared; of an unknown name or a missing key, that name.
    """

    code: str
    message: str
    span: Span
    label: str = ""
    related: tuple[Related, ...] = ()
    notes: tuple[str, ...] = ()
    help: Help | None = None
    names: frozenset[str] = frozenset()

    @property
    def severity(self) -> Literal["error", "warning"]:
        return "warning" if self.code.startswith("W") else "error"
