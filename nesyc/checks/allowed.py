"""`allow(W0401, "why")`: which warnings it switches off, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nesyc.checks.messages import unknown_name
from nesyc.diagnostics import Diagnostic
from nesyc.diagnostics.codes import CODES
from nesyc.diagnostics.span import Span
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class Allowed:
    """`code` in `files`, or within `block`; both empty: in the whole spec."""

    code: str
    files: frozenset[str] = frozenset()
    block: Span | None = None

    def covers(self, found: Diagnostic) -> bool:
        if found.code != self.code:
            return False
        span, block = found.span, self.block
        if block is None and not self.files:
            return True
        inside = block is not None and span.file == block.file and block.start <= span.start < block.end
        return inside or span.file in self.files


def allowed_warnings(files: tuple[ast.File, ...], placed: Callable[[Span], Span]) -> Iterator[Allowed]:
    """In a KB for the KB and its fragments, at the head of a file for the file, in the main one for all.

    `placed` says where a span stands now.
    """
    for place, file in enumerate(files):
        for item in (*file.declarations, *file.fragment_items):
            if isinstance(item, ast.Allow) and item.reason.value.strip():
                yield Allowed(item.code.text, frozenset() if place == 0 else frozenset({file.path}))
            elif isinstance(item, ast.Kb):
                yield from _of_kb(item, files, placed(item.span))


def _of_kb(kb: ast.Kb, files: tuple[ast.File, ...], block: Span) -> Iterator[Allowed]:
    name = kb.name.text
    fragments = frozenset(file.path for file in files if file.fragment_of and file.fragment_of.text == name)
    for item in kb.items:
        if isinstance(item, ast.Allow) and item.reason.value.strip():
            yield Allowed(item.code.text, fragments, block)


def check_allows(allows: Iterable[ast.Allow]) -> Iterator[Diagnostic]:
    """E0201 and E0308: only a warning that there is, and with a reason."""
    known = [code for code in CODES if code.startswith("W")]
    for allow in allows:
        code = allow.code
        if code.text in CODES and code.text not in known:
            message = f"`{code.text}` is an error, only warnings can be allowed"
            yield Diagnostic("E0308", message, code.span, "not a warning")
        elif code.text not in known:
            yield unknown_name("warning", code.text, code.span, known, (f"warnings are {', '.join(known)}",))
        elif not allow.reason.value.strip():
            yield Diagnostic("E0308", "`allow` gives a reason", allow.reason.span, "empty")
