"""Errors of the runtime that have a code and a place, shown as those that the compiler finds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nesyc.diagnostics import Diagnostic, SourceMap


INTERRUPTED, GO_ON = "interrupted", "the same command continues where it stopped"


def diagnostic_of(error: BaseException) -> tuple[Diagnostic, SourceMap] | None:
    """The error as a diagnostic with the source it points into; None where it has no code or place, or nobody knows
    below which folder the source lies."""
    from nesyc.diagnostics import Diagnostic, Help, SourceMap, Span

    code, span, help, root = (getattr(error, name, None) for name in ("code", "span", "help", "root"))
    if not code or span is None or root is None:
        return None
    text = _source(root, span["file"])
    if text is None:
        return None
    sources = SourceMap({span["file"]: text})
    start = sources.offset(span["file"], span["line"], span["col"])
    end = sources.offset(span["file"], span["end_line"], span["end_col"])
    place = Span(span["file"], start, max(start, end))
    message = str(getattr(error, "message", error))
    return Diagnostic(code, message, place, help=Help(help) if help else None), sources


def error_object(error: dict[str, Any]) -> dict[str, Any]:
    """The object that a command prints for an error under `--json`; `error` has `message`, `help` and maybe more."""
    return {"v": 1, "ok": False, "error": error}


def why_stopped(error: BaseException) -> dict[str, Any]:
    """What the results of a run that stopped say more: why, and as a diagnostic where it has a place."""
    from nesyc.diagnostics import to_json

    found = diagnostic_of(error)
    problems = to_json([found[0]], found[1])["diagnostics"] if found is not None else []
    return {"error": fields_of(error), "diagnostics": problems}


def fields_of(error: BaseException) -> dict[str, Any]:
    """What an error says, by name: `message`, `help`, and `code` and `span` where it has them."""
    if isinstance(error, KeyboardInterrupt):
        return {"message": INTERRUPTED, "help": GO_ON}
    said = {name: getattr(error, name, "") for name in ("message", "help")}
    more = {name: value for name in ("code", "span") if (value := getattr(error, name, None))}
    return {**said, **more}


def _source(root: Path, file: str) -> str | None:
    if file.startswith("@"):
        return None
    try:
        return (root / file).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
