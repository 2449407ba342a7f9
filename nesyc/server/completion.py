"""Completion and signature help in the protocol's words."""

from __future__ import annotations

from lsprotocol import types

from nesyc.server.complete import complete, signature_help
from nesyc.server.complete.proposal import Kind, Proposal
from nesyc.server.view import View

K = types.CompletionItemKind
KINDS: dict[Kind, types.CompletionItemKind] = {
    "keyword": K.Keyword, "variable": K.Variable, "relation": K.Struct, "field": K.Field,
    "constant": K.EnumMember, "function": K.Function, "property": K.Property, "type": K.TypeParameter,
    "name": K.Reference, "file": K.File, "code": K.Value,
}  # fmt: skip
MOST = 500
"""So many proposals are sent; the editor asks again when more is typed."""


def completion(view: View, position: types.Position, snippets: bool) -> types.CompletionList:
    """What may stand at a position. `snippets`: the editor fills in arguments one by one."""
    offset = view.offset(position)
    path = view.analysis.paths[view.file]
    start, found = complete(view.text, offset, view.known, path.parent)
    typed = view.text[start:offset].lstrip(".").lower()
    near = [one for one in found if one.label.lstrip(".").lower().startswith(typed[:1])]
    place = view.range(start, offset)
    items = [_item(one, place, number, snippets) for number, one in enumerate(near[:MOST])]
    return types.CompletionList(len(near) > MOST, items)


def _item(one: Proposal, place: types.Range, number: int, snippets: bool) -> types.CompletionItem:
    snippet = snippets and "$" in one.insert
    written = one.insert if one.insert and (snippet or "$" not in one.insert) else one.label
    return types.CompletionItem(
        one.label,
        kind=KINDS[one.kind],
        detail=one.detail or None,
        sort_text=f"{number:05}",
        filter_text=one.label,
        insert_text_format=types.InsertTextFormat.Snippet if snippet else types.InsertTextFormat.PlainText,
        text_edit=types.TextEdit(place, written),
    )


def signatures(view: View, position: types.Position) -> types.SignatureHelp | None:
    """The call around a position, the argument being written marked."""
    found = signature_help(view.text, view.offset(position), view.known)
    if found is None:
        return None
    label = f"{found.name}({', '.join(found.parameters)})"
    parameters = [types.ParameterInformation(text) for text in found.parameters]
    return types.SignatureHelp([types.SignatureInformation(label, parameters=parameters)], 0, found.active)
