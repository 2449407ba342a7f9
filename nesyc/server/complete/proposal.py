"""One thing that may stand at the cursor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from nesyc.checks.kinds import REQUIRED, Signature
from nesyc.checks.scope import RelationInfo
from nesyc.checks.value_words import example

Kind = Literal[
    "keyword",
    "variable",
    "relation",
    "field",
    "constant",
    "function",
    "property",
    "type",
    "name",
    "file",
    "code",
]


@dataclass(frozen=True, slots=True)
class Proposal:
    """`insert` is a snippet (`${1:name}`); `label` alone is written where it is empty or the editor has no snippets."""

    label: str
    kind: Kind
    detail: str = ""
    insert: str = ""
    order: int = 5


def names(kind: Kind, found: Iterable[str], detail: str = "", order: int = 5) -> Iterator[Proposal]:
    """Plain names of one kind."""
    return (Proposal(name, kind, detail, order=order) for name in found)


def relation_call(relation: RelationInfo, order: int = 3) -> Proposal:
    """A relation with its columns as arguments to fill in."""
    arguments = ", ".join(f"${{{place}:{column.name}}}" for place, column in enumerate(relation.columns, 1))
    return Proposal(relation.name, "relation", signature_of(relation), f"{relation.name}({arguments})", order)


def signature_of(relation: RelationInfo) -> str:
    """`kin(a: text, b: text, rel: Kin)`"""
    return f"{relation.name}({', '.join(f'{column.name}: {column.type}' for column in relation.columns)})"


def call(signature: Signature, order: int = 3) -> Proposal:
    """A call with what must be given."""
    parts = []
    needed = [parameter for parameter in signature.parameters if parameter.default is REQUIRED]
    for place, parameter in enumerate(needed, 1):
        value = f"${{{place}:{_plain(example(parameter.kind))}}}"
        by_place = signature.parameters.index(parameter) < signature.positional
        parts.append(value if by_place else f"{parameter.name} = {value}")
    inside = ", ".join(parts) or "$1"
    return Proposal(
        signature.name, "function", call_signature(signature), f"{signature.name}({inside})", order
    )


def call_signature(signature: Signature) -> str:
    """`limits(max_usd?, rpm?, ...)`: what may be left out has a `?`."""
    shown = [p.name + ("" if p.default is REQUIRED else "?") for p in signature.parameters]
    if signature.rest is not None or signature.extra is not None:
        shown.append("...")
    return f"{signature.name}({', '.join(shown)})"


def _plain(text: str) -> str:
    """Text inside a placeholder of a snippet."""
    return text.replace("\\", "\\\\").replace("}", "\\}").replace("$", "\\$")
