"""The call or relation whose arguments are being written."""

from __future__ import annotations

from dataclasses import dataclass

from nesyc.checks.kinds import REQUIRED, Signature
from nesyc.checks.tables import Tables
from nesyc.checks.value_words import wanted_kind
from nesyc.server.complete.context import Context, find_context
from nesyc.server.complete.knowledge import kb_of
from nesyc.server.complete.values import find_slot


@dataclass(frozen=True, slots=True)
class SignatureHint:
    """`name(parameters)`; `active` is the parameter being written, None where none is."""

    name: str
    parameters: tuple[str, ...]
    active: int | None


def signature_help(text: str, offset: int, tables: Tables) -> SignatureHint | None:
    """What the innermost call around the cursor takes."""
    context = find_context(text, offset)
    if context is None or not context.frames:
        return None
    return _relation(context, tables) or _call(context, tables)


def _relation(context: Context, tables: Tables) -> SignatureHint | None:
    frame = context.frames[-1]
    kbs = [kb_of(context, tables)] if context.kind != "TASK" else list(tables.symbols.kbs.values())
    for kb in kbs:
        relation = kb.scope.relations.get(frame.head) if kb is not None else None
        if relation is not None and context.kind in ("KB", "TEST", "TASK"):
            parameters = tuple(f"{column.name}: {column.type}" for column in relation.columns)
            active = frame.argument if frame.argument < len(parameters) else None
            return SignatureHint(relation.name, parameters, active)
    kb, item = kbs[0] if kbs else None, context.item_tokens
    if kb is None or not item or len(context.inner) < 2:
        return None
    begin = 1 if item[0].kind == "GIVEN" else 0
    if len(item) > begin + 1 and item[begin].kind == "FACTS":  # a row of facts
        relation = kb.scope.relations.get(item[begin + 1].text)
        if relation is not None:
            parameters = tuple(f"{column.name}: {column.type}" for column in relation.columns)
            active = frame.argument if frame.argument < len(parameters) else None
            return SignatureHint(relation.name, parameters, active)
    return None


def _call(context: Context, tables: Tables) -> SignatureHint | None:
    slot = find_slot(context, tables)
    if slot is None or slot.signature is None:
        return None
    frame = next((one for one in reversed(context.inner) if one.head == slot.signature.name), None)
    if frame is None:
        return None
    shown = tuple(_parameter(slot.signature, name.name) for name in slot.signature.parameters)
    order = [parameter.name for parameter in slot.signature.parameters]
    active = order.index(frame.name) if frame.name in order else None
    if active is None and frame.name is None and frame.argument < slot.signature.positional:
        active = frame.argument
    return SignatureHint(slot.signature.name, shown, active)


def _parameter(signature: Signature, name: str) -> str:
    parameter = signature.find(name)
    assert parameter is not None
    mark = "" if parameter.default is REQUIRED else "?"
    kind = wanted_kind(parameter.kind).replace("`", "")
    return f"{name}{mark}: {kind}"
