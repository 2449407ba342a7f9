"""What the helps of diagnostics offer to do, and switching a warning off with a reason."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lsprotocol import types

from nesyc.diagnostics import Diagnostic
from nesyc.parsing.lexer import tokenize
from nesyc.server.publish import lsp_diagnostic
from nesyc.server.view import View


def code_actions(view: View, range_: types.Range) -> list[types.CodeAction]:
    """The quick fixes for the diagnostics that touch a range."""
    first, last = view.offset(range_.start), view.offset(range_.end)
    found: list[types.CodeAction] = []
    for diagnostic in view.analysis.checked.diagnostics:
        span = diagnostic.span
        if span.file == view.file and span.start <= last and span.end >= first:
            found.extend(_fixes(view, diagnostic))
            if diagnostic.severity == "warning":
                found.append(_allow(view, diagnostic))
    return _once(found)


def _fixes(view: View, diagnostic: Diagnostic) -> Iterator[types.CodeAction]:
    help_ = diagnostic.help
    if help_ is None or not help_.edits:
        return
    changes: dict[str, list[types.TextEdit]] = {}
    for edit in help_.edits:
        place = view.location(edit.span)
        changes.setdefault(place.uri, []).append(types.TextEdit(place.range, edit.text))
    only = help_.edits[0]
    title = help_.message
    if len(help_.edits) == 1 and title.startswith("did you mean"):
        title = f"replace by `{only.text}`"
    yield _action(view, diagnostic, title, changes, preferred=True)


def _action(
    view: View,
    diagnostic: Diagnostic,
    title: str,
    changes: dict[str, list[types.TextEdit]],
    *,
    preferred: bool,
) -> types.CodeAction:
    return types.CodeAction(
        title,
        types.CodeActionKind.QuickFix,
        [lsp_diagnostic(view.analysis, diagnostic)],
        is_preferred=preferred or None,
        edit=types.WorkspaceEdit(changes=changes),
    )


def _allow(view: View, diagnostic: Diagnostic) -> types.CodeAction:
    """`allow(...)` on a line of its own, after the edition and `fragment of`; in the main file it holds for all."""
    text = view.text
    head = tokenize(text, 0, min(len(text), 4000))[:5]
    size = 5 if len(head) > 4 and head[2].kind == "FRAGMENT" else 2
    known = len(head) >= size and head[0].kind == "NESY"
    line = view.lines.position(head[size - 1].end)[0] + 1 if known else 0
    written = f'allow({diagnostic.code}, "reason")\n'
    if line >= len(view.lines):
        written = f"\n{written}"
    at = view.lines.offset(line, 0)
    edit = types.TextEdit(view.range(at, at), written)
    changes = {view.analysis.uri(view.file): [edit]}
    where = "spec" if view.file == view.known.loaded.main.path else "file"
    return _action(view, diagnostic, f"allow {diagnostic.code} in this {where}", changes, preferred=False)


def _once(found: Iterable[types.CodeAction]) -> list[types.CodeAction]:
    """Each action once: several variables may be used once in one line."""
    unique: dict[str, types.CodeAction] = {}
    for action in found:
        unique.setdefault(f"{action.title} {action.edit}", action)
    return list(unique.values())
