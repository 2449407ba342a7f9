"""A diagnostic as JSON, in the form of `nesyc check --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nesyc.diagnostics.diagnostic import Diagnostic
from nesyc.diagnostics.shown import valid
from nesyc.diagnostics.source_map import SourceMap
from nesyc.diagnostics.span import Span


def to_json(diagnostics: Sequence[Diagnostic], sources: SourceMap) -> dict[str, Any]:
    """The object that `nesyc check --json` prints; `ok` is true where there is no error."""
    errors = sum(diagnostic.severity == "error" for diagnostic in diagnostics)
    return {
        "v": 1,
        "ok": errors == 0,
        "errors": errors,
        "warnings": len(diagnostics) - errors,
        "diagnostics": [_diagnostic(diagnostic, sources) for diagnostic in diagnostics],
    }


def span_json(span: Span, sources: SourceMap) -> dict[str, Any]:
    """`{"file", "line", "col", "end_line", "end_col"}`: 1-based, code points, end exclusive."""
    place = sources.place(span)
    return {"file": span.file, **place._asdict()}


def _diagnostic(diagnostic: Diagnostic, sources: SourceMap) -> dict[str, Any]:
    help = diagnostic.help
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": valid(diagnostic.message),
        "span": span_json(diagnostic.span, sources),
        "label": valid(diagnostic.label),
        "related": [
            {"span": span_json(related.span, sources), "message": valid(related.message)}
            for related in diagnostic.related
        ],
        "notes": [valid(note) for note in diagnostic.notes],
        "help": help
        and {
            "message": valid(help.message),
            "edits": [{"span": span_json(edit.span, sources), "text": edit.text} for edit in help.edits],
        },
    }
