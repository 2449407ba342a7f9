"""Diagnostics as SARIF 2.1.0 (OASIS), the form that code hosts and editors read.

Columns count code points, as everywhere in nesyc; SARIF says so by `columnKind`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from nesyc.diagnostics.codes import CODES
from nesyc.diagnostics.diagnostic import Diagnostic, Edit, Related
from nesyc.diagnostics.shown import valid
from nesyc.diagnostics.source_map import SourceMap
from nesyc.diagnostics.span import Span

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(diagnostics: Sequence[Diagnostic], sources: SourceMap, version: str) -> dict[str, Any]:
    """The log of one run: `version` is nesyc's. Rules are the codes that occur, in order of code."""
    used = sorted({found.code for found in diagnostics})
    rules = {code: number for number, code in enumerate(used)}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "nesyc", "version": version, "rules": [_rule(code) for code in used]}
                },
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {"PROJECT": {"description": {"text": "the folder of nesyc.yaml"}}},
                "results": [_result(found, rules, sources) for found in diagnostics],
            }
        ],
    }


def _rule(code: str) -> dict[str, Any]:
    entry = CODES[code]
    return {
        "id": code,
        "shortDescription": {"text": entry.title},
        "fullDescription": {"text": entry.why},
        "help": {"text": f"Wrong:\n\n{entry.bad}\n\nRight:\n\n{entry.good}\n"},
        "defaultConfiguration": {"level": "warning" if code.startswith("W") else "error"},
    }


def _result(found: Diagnostic, rules: dict[str, int], sources: SourceMap) -> dict[str, Any]:
    parts = [found.message, *found.notes, *([found.help.message] if found.help else [])]
    result: dict[str, Any] = {
        "ruleId": found.code,
        "ruleIndex": rules[found.code],
        "level": found.severity,
        "message": {"text": valid("\n".join(parts))},
        "locations": [_location(found.span, sources, found.label)],
    }
    if found.related:
        result["relatedLocations"] = [
            _related(number, related, sources) for number, related in enumerate(found.related)
        ]
    if found.help is not None and found.help.edits:
        result["fixes"] = [
            {"description": {"text": valid(found.help.message)}, "artifactChanges": _changes(found, sources)}
        ]
    return result


def _related(number: int, related: Related, sources: SourceMap) -> dict[str, Any]:
    return {"id": number, **_location(related.span, sources, related.message)}


def _location(span: Span, sources: SourceMap, message: str) -> dict[str, Any]:
    location: dict[str, Any] = {
        "physicalLocation": {"artifactLocation": _artifact(span.file), "region": _region(span, sources)}
    }
    if message:
        location["message"] = {"text": valid(message)}
    return location


def _artifact(file: str) -> dict[str, str]:
    """A file under the project folder; one under another root keeps its `@root/` name, which leads nowhere by itself."""
    if file.startswith("@"):
        return {"uri": quote(file, safe="/@")}
    return {"uri": quote(file, safe="/"), "uriBaseId": "PROJECT"}


def _region(span: Span, sources: SourceMap) -> dict[str, int]:
    place = sources.place(span)
    return {
        "startLine": place.line,
        "startColumn": place.col,
        "endLine": place.end_line,
        "endColumn": place.end_col,
    }


def _changes(found: Diagnostic, sources: SourceMap) -> list[dict[str, Any]]:
    assert found.help is not None
    files: dict[str, list[Edit]] = {}
    for edit in found.help.edits:
        files.setdefault(edit.span.file, []).append(edit)
    return [
        {
            "artifactLocation": _artifact(file),
            "replacements": [
                {"deletedRegion": _region(edit.span, sources), "insertedContent": {"text": edit.text}}
                for edit in edits
            ],
        }
        for file, edits in files.items()
    ]
