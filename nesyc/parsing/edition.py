"""`nesy 1` opens every file, so that a file keeps its meaning when the language grows."""

from __future__ import annotations

from collections.abc import Sequence

from nesyc.diagnostics import Diagnostic, Edit, Help
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes

EDITIONS = (1,)


def check_edition(file: nodes.File, written: Sequence[Span], text: str) -> list[Diagnostic]:
    """E0104 for an edition that this nesyc does not know, and for none at all."""
    if written:
        if file.edition in EDITIONS or file.edition is None:  # None: the number itself is reported
            return []
        return [
            Diagnostic(
                "E0104",
                f"edition {file.edition} is not supported",
                written[0],
                "this nesyc knows edition 1",
                help=Help("write `nesy 1`, or use a newer nesyc", (Edit(written[0], "nesy 1"),)),
            )
        ]
    first = len(text) - len(text.lstrip(" \t\r\n\f\ufeff"))
    place = Span(file.path, first, min(first + 1, len(text)))
    return [
        Diagnostic(
            "E0104",
            "the file does not say which edition it is written in",
            place,
            "`nesy 1` goes here",
            help=Help("begin the file with `nesy 1`", (Edit(Span(file.path, first, first), "nesy 1\n\n"),)),
        )
    ]
