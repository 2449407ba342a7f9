"""Where a name is declared and used, and giving it another one."""

from __future__ import annotations

import re
from pathlib import Path

from lsprotocol import types

from nesyc.checks.terms import TESTS
from nesyc.index import Occurrence, SymbolId, build_index
from nesyc.parsing.expected import RESERVED
from nesyc.server.analysis import Analysis
from nesyc.server.session import texts
from nesyc.server.view import View
from nesyc.workspace import check_spec

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
    """Every place of the name under the cursor, in all files of all specs that share one of them."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return []
    places: dict[tuple[str, int], types.Location] = {}
    for analysis in _sharing(view, found.symbol):
        for one in analysis.index.of(found.symbol):
            if declaration or not one.is_definition:
                places.setdefault((analysis.uri(one.span.file), one.span.start), analysis.location(one.span))
    return list(places.values())


def _sharing(view: View, symbol: SymbolId) -> list[Analysis]:
    """The spec of `view`, then the others that include a file where the symbol stands."""
    files = {one.span.file for one in view.index.of(symbol)}
    found = {view.analysis.spec: view.analysis}
    for name in sorted(files):
        for spec in view.session.specs_of(view.analysis.paths[name], view.analysis.open):
            if spec not in found:
                found[spec] = view.session.analyse(spec, view.analysis.open)
    return list(found.values())


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
    _own_places(view.analysis, found.symbol)
    return types.PrepareRenamePlaceholder(
        view.range(found.span.start, found.span.end), view.text[found.span.start : found.span.end]
    )


def _own_places(analysis: Analysis, symbol: SymbolId) -> tuple[Occurrence, ...]:
    """All places of a symbol; raises `Refused` where one lies in a file that is not the project's."""
    places = analysis.index.of(symbol)
    root = analysis.checked.project.root
    for one in places:
        path = analysis.paths.get(one.span.file)
        if path is None or not path.is_relative_to(root):
            raise Refused(
                f"`{symbol.name}` also stands in {one.span.file}, which is not part of this project"
            )
    if symbol not in analysis.index.definitions:
        raise Refused(f"`{symbol.name}` is not declared in {analysis.checked.known.loaded.main.path}")
    return places


def rename(view: View, position: types.Position, new: str) -> types.WorkspaceEdit | None:
    """Edits that call the symbol under the cursor `new` everywhere. Raises `Refused` with the reason."""
    found = view.index.at(view.file, view.offset(position))
    if found is None:
        return None
    symbol = found.symbol
    new = new.removeprefix(".") if symbol.kind == "constant" else new
    specs = _sharing(view, symbol)
    places = [_own_places(analysis, symbol) for analysis in specs]
    for analysis in specs:
        _check_name(analysis, symbol, new)
    if new == symbol.name:
        return types.WorkspaceEdit(changes={})
    changed = _changed_texts(specs, places, new)
    for analysis, own in zip(specs, places, strict=True):
        _check_meaning(analysis, symbol, own, new, changed)
    edits: dict[tuple[str, int], types.TextEdit] = {}
    for analysis, own in zip(specs, places, strict=True):
        for one in own:
            location = analysis.location(one.span)
            edits[location.uri, one.span.start] = types.TextEdit(location.range, new)
    changes: dict[str, list[types.TextEdit]] = {}
    for (uri, _), edit in sorted(edits.items(), key=lambda item: item[0]):
        changes.setdefault(uri, []).append(edit)
    return types.WorkspaceEdit(changes=changes)


def _changed_texts(specs: list[Analysis], places: list[tuple[Occurrence, ...]], new: str) -> dict[Path, str]:
    """The texts as the editor would hold them after the change."""
    changed = texts(specs[0].open)
    starts: dict[Path, dict[int, int]] = {}
    sources: dict[Path, str] = {}
    for analysis, own in zip(specs, places, strict=True):
        for one in own:
            path = analysis.paths[one.span.file]
            sources[path] = analysis.checked.texts[one.span.file]
            starts.setdefault(path, {})[one.span.start] = one.span.end
    for path, found in starts.items():
        text = sources[path]
        for start in sorted(found, reverse=True):
            text = text[:start] + new + text[found[start] :]
        changed[path] = text
    return changed


def _check_name(analysis: Analysis, symbol: SymbolId, new: str) -> None:
    if not _NAME.fullmatch(new):
        raise Refused(f"`{new}` is no name: letters, digits and `_`, not beginning with a digit")
    if new == "_" or (new.upper() in RESERVED and new.islower()):
        raise Refused(f"`{new}` is a reserved word")
    if symbol.kind == "relation" and new in TESTS:
        raise Refused(f"`{new}` is a test of the language, no relation can have its name")
    taken = SymbolId(symbol.kind, new, symbol.owner)
    if new != symbol.name and taken in analysis.index.definitions:
        raise Refused(f"there is a {symbol.kind} `{new}` already")


def _check_meaning(
    analysis: Analysis,
    symbol: SymbolId,
    places: tuple[Occurrence, ...],
    new: str,
    changed: dict[Path, str],
) -> None:
    """Try it: the spec must mean the same under the new name, and have no error it did not have."""
    checked = check_spec(analysis.spec, unsaved=changed)
    known = {(found.code, found.message) for found in analysis.checked.diagnostics}
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
