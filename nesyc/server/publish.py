"""Diagnostics of the compiler as the protocol has them."""

from __future__ import annotations

from lsprotocol import types

from nesyc.diagnostics import Diagnostic
from nesyc.server.analysis import Analysis

SOURCE = "nesyc"


def published(analysis: Analysis) -> dict[str, list[types.Diagnostic]]:
    """The diagnostics of every file of a spec by URI; a file without any has an empty list."""
    found: dict[str, list[types.Diagnostic]] = {analysis.uri(name): [] for name in analysis.paths}
    for diagnostic in analysis.checked.diagnostics:
        uri = analysis.uri(diagnostic.span.file)
        found.setdefault(uri, []).append(lsp_diagnostic(analysis, diagnostic))
    return found


def lsp_diagnostic(analysis: Analysis, diagnostic: Diagnostic) -> types.Diagnostic:
    """One diagnostic: message, notes and help as text, related places as links."""
    lines = analysis.lines(diagnostic.span.file)
    start, end = diagnostic.span.start, diagnostic.span.end
    if start == end and end < len(lines.text) and lines.text[end] not in "\r\n":
        end += 1  # an editor shows nothing under an empty range
    text = [diagnostic.message, *(f"note: {note}" for note in diagnostic.notes)]
    if diagnostic.help is not None:
        text.append(f"help: {diagnostic.help.message}")
    return types.Diagnostic(
        lines.range(start, end),
        "\n".join(text),
        severity=(
            types.DiagnosticSeverity.Error
            if diagnostic.severity == "error"
            else types.DiagnosticSeverity.Warning
        ),
        code=diagnostic.code,
        source=SOURCE,
        related_information=_related(analysis, diagnostic),
        tags=[types.DiagnosticTag.Unnecessary] if diagnostic.code == "W0402" else None,
    )


def _related(analysis: Analysis, diagnostic: Diagnostic) -> list[types.DiagnosticRelatedInformation] | None:
    places = [
        types.DiagnosticRelatedInformation(
            analysis.location(related.span),
            related.message,
        )
        for related in diagnostic.related
    ]
    return places or None
