"""Where a name is declared and used, and giving it another one."""

from __future__ import annotations

import re

from lsprotocol import types

from nesyc.checks.terms import TESTS
from nesyc.index import Occurrence, SymbolId, build_index
from nesyc.parsing.expected import RESERVED
from nesyc.pipeline import check_spec
from nesyc.server.session import texts
from nesyc.server.view import View

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Refused(Exception):
    """What was asked for cannot be done; the message tells the user why."""


def definition(view: View, position: types.Position) -> list[types.Location]:
    """Where the name under the cursor is declared; from an include, the file."""
    offset = view.offset(position)
    for link in view.index.links:
        if link.span.file == view.file and link.span.start <= offset <= link.span.end:
            start = types.Range(types.Position(0, 0), types.Position(0, 0))
            return [types.Location(view.analysis.uri(link.file), start)]
    found = view.index.at(view.file, offset)
    if found is None:
        return []
    declared = view.index.definitions.get(found.symbol, ())
    others = [one for one in declared if one.span != found.span]
    return [view.location(one.span) for one in others or declared]


def references(view: View, position: types.Position, *, declaration: bool) -> list[types.Location]:
    """Every place of the name under the cursor, in all files of its spec."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return []
    places = view.index.of(found.symbol)
    return [view.location(one.span) for one in places if declaration or not one.is_definition]


def highlights(view: View, position: types.Position) -> list[types.DocumentHighlight]:
    """The places of the name under the cursor in its own file; where it is declared, as written."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return []
    return [
        types.DocumentHighlight(
            view.range(one.span.start, one.span.end),
            types.DocumentHighlightKind.Write if one.is_definition else types.DocumentHighlightKind.Read,
        )
        for one in view.index.of(found.symbol)
        if one.span.file == view.file
    ]


def prepare_rename(view: View, position: types.Position) -> types.PrepareRenamePlaceholder | None:
    """The name that would be changed; None where there is none. Raises `Refused` for a name that is not ours."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return None
    _own_places(view, found.symbol)
    return types.PrepareRenamePlaceholder(
        view.range(found.span.start, found.span.end), view.text[found.span.start : found.span.end]
    )


def _own_places(view: View, symbol: SymbolId) -> tuple[Occurrence, ...]:
    """All places of a symbol; raises `Refused` where one lies in a file that is not the project's."""
    places = view.index.of(symbol)
    root = view.analysis.checked.loaded.project.root
    for one in places:
        path = view.analysis.paths.get(one.span.file)
        if path is None or not path.is_relative_to(root):
            raise Refused(
                f"`{symbol.name}` also stands in {one.span.file}, which is not part of this project"
            )
    if symbol not in view.index.definitions:
        raise Refused(f"`{symbol.name}` is not declared in this spec")
    return places


def rename(view: View, position: types.Position, new: str) -> types.WorkspaceEdit | None:
    """Edits that call the symbol under the cursor `new` everywhere. Raises `Refused` with the reason."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return None
    new = new.removeprefix(".") if found.symbol.kind == "constant" else new
    places = _own_places(view, found.symbol)
    _check_name(view, found.symbol, new)
    if new == found.symbol.name:
        return types.WorkspaceEdit(changes={})
    _check_meaning(view, found.symbol, places, new)
    changes: dict[str, list[types.TextEdit]] = {}
    for one in places:
        location = view.location(one.span)
        changes.setdefault(location.uri, []).append(types.TextEdit(location.range, new))
    return types.WorkspaceEdit(changes=changes)


def _check_name(view: View, symbol: SymbolId, new: str) -> None:
    if not _NAME.fullmatch(new):
        raise Refused(f"`{new}` is no name: letters, digits and `_`, not beginning with a digit")
    if new == "_" or (new.upper() in RESERVED and new.islower()):
        raise Refused(f"`{new}` is a reserved word")
    if symbol.kind == "relation" and new in TESTS:
        raise Refused(f"`{new}` is a test of the language, no relation can have its name")
    taken = SymbolId(symbol.kind, new, symbol.owner)
    if new != symbol.name and taken in view.index.definitions:
        raise Refused(f"there is a {symbol.kind} `{new}` already")


def _check_meaning(view: View, symbol: SymbolId, places: tuple[Occurrence, ...], new: str) -> None:
    """Try it: the spec must mean the same under the new name, and have no error it did not have."""
    changed = texts(view.analysis.open)
    by_file: dict[str, list[Occurrence]] = {}
    for one in places:
        by_file.setdefault(one.span.file, []).append(one)
    for file, found in by_file.items():
        text = view.analysis.checked.loaded.texts[file]
        for one in sorted(found, key=lambda item: item.span.start, reverse=True):
            text = text[: one.span.start] + new + text[one.span.end :]
        changed[view.analysis.paths[file]] = text
    checked = check_spec(view.analysis.spec, unsaved=changed)
    known = {(found.code, found.message) for found in view.analysis.checked.diagnostics}
    for problem in checked.diagnostics:
        if problem.severity == "error" and (problem.code, problem.message) not in known:
            shown = problem.message.replace(f"`{new}`", f"`{symbol.name}`")
            if (problem.code, shown) not in known:
                raise Refused(f"that would be an error: {problem.message} ({problem.code})")
    after = build_index(checked.tables).of(SymbolId(symbol.kind, new, symbol.owner))
    if symbol.kind not in OWNED_BY_PLACE and not _same(places, after, len(new) - len(symbol.name)):
        raise Refused(f"`{new}` would mean something else in some of these places")


OWNED_BY_PLACE = frozenset({"variable"})
"""Kinds whose owner is a place in the text, which the change may move; a clash shows by its name there."""


def _same(before: tuple[Occurrence, ...], after: tuple[Occurrence, ...], growth: int) -> bool:
    """Whether `after` are the places `before`, each moved by the growth of those before it in its file."""
    seen: dict[str, int] = {}
    moved = set()
    for one in sorted(before, key=lambda item: (item.span.file, item.span.start)):
        count = seen.get(one.span.file, 0)
        moved.add((one.span.file, one.span.start + count * growth))
        seen[one.span.file] = count + 1
    return moved == {(one.span.file, one.span.start) for one in after}
