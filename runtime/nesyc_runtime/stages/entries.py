"""KB entries in a teacher's words: what is asked for, and typed values read from the answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue, convert

ENTRIES = "entries"
LONGEST_FIELD = 20_000  # characters
_OPENING = re.compile(r"[\[{]")


class NoEntries(BadValue):
    """The list of entries is empty: the teacher has read the error and has nothing to write."""


def asked_columns(relation: config.Relation) -> list[config.KbColumn]:
    """The columns a teacher fills: not a vector that is computed, not a number that only counts the rows."""
    single_key = relation.key[0] if len(relation.key) == 1 else None
    return [
        column
        for column in relation.columns
        if column.embed is None
        and column.type.base != "vector"
        and not (column.name == single_key and column.type.base == "int")
    ]


def text_columns(columns: Sequence[config.KbColumn]) -> list[str]:
    """The names of those that hold text: two entries may say the same in almost the same words."""
    return [column.name for column in columns if column.type.base == "text"]


def extract_prompt(
    question: str,
    response: str,
    columns: Sequence[config.KbColumn],
    rationale: str | None,
    gold: Mapping[str, Any] | None,
    enums: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> str:
    """What the teacher reads: the item, the wrong response, the right answer where it may, what to fill."""
    parts = [
        "A student answered a question wrongly. Write an entry for a knowledge base that helps it with "
        "questions of this kind, or several where they are facts that stand alone.",
        "Entries are general: they say how to think and what to watch for, and the facts, formulas and "
        "definitions needed. They neither repeat this question nor give away its answer.",
        f"Question:\n{question}",
        f"The student's wrong response:\n{response}",
    ]
    if gold:
        right = ", ".join(str(value) for value in gold.values())
        parts.append(f"The right answer: {right}")
    if rationale:
        parts.append(f"A right solution:\n{rationale}")
    names = ", ".join(f'"{column.name}" ({_described(column.type, enums)})' for column in columns)
    parts.append(
        f'Answer with one JSON object {{"{ENTRIES}": [...]}}, a list of objects with the fields {names}, and nothing else.'
    )
    return "\n\n".join(parts)


def again(prompt: str, answer: str, problem: str) -> str:
    """The prompt once more, with an answer that could not be used and why."""
    return (
        f"{prompt}\n\nYou answered before:\n{answer[:LONGEST_FIELD]}\n\n"
        f"That cannot be used: {problem}\nAnswer again, mended."
    )


def entries_schema(
    columns: Sequence[config.KbColumn], enums: Mapping[str, tuple[str, ...]]
) -> dict[str, Any] | None:
    """The JSON schema of an answer, for servers that give it a form; None where a column may be any JSON.

    An object holds the list: servers want one at the root.
    """
    if any(column.type.base == "json" for column in columns):
        return None
    fields = {column.name: _column_schema(column.type, enums) for column in columns}
    return _object({ENTRIES: {"type": "array", "items": _object(fields)}})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _column_schema(type_: config.Type, enums: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    kind = {"int": "integer", "number": "number", "usd": "number", "bool": "boolean"}.get(
        type_.base, "string"
    )
    schema: dict[str, Any] = {"type": [kind, "null"] if type_.nullable else kind}
    if type_.base == "enum":
        constants = list(enums.get(type_.enum or "", ()))
        schema["enum"] = [*constants, None] if type_.nullable else constants
    return schema


def _described(type_: config.Type, enums: Mapping[str, tuple[str, ...]]) -> str:
    kind = {
        "text": "text",
        "int": "a whole number",
        "number": "a number",
        "usd": "a number",
        "bool": "true or false",
        "date": "a date such as 2026-01-31",
    }.get(type_.base, type_.base)
    if type_.base == "enum" and enums.get(type_.enum or ""):
        kind = f"one of {', '.join(enums[type_.enum or ''])}"
    return kind + (" or null" if type_.nullable else "")


def entries_in(
    text: str, columns: Sequence[config.KbColumn], enums: Mapping[str, tuple[str, ...]]
) -> list[dict[str, Any]]:
    """Typed values by column of each entry: from the answer's JSON object, its list of objects, or lines like `Title: ...`.

    Raises `NoEntries` where the only lists are empty ones, `BadValue` where none of these gives every column that may not be
    null, in each entry.
    """
    lists = list(_lists(text))
    if lists and not any(lists):
        raise NoEntries("the list of entries is empty")
    problems = []
    for listed in (*filter(None, lists), [_labelled(text, columns)]):
        try:
            return [_entry(fields, columns, enums) for fields in listed]
        except BadValue as error:
            problems.append(error)
    raise problems[0]


def _entry(
    fields: Mapping[str, Any], columns: Sequence[config.KbColumn], enums: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    given = {_plain(str(name)): value for name, value in fields.items()}
    return {column.name: _typed(column, given, enums) for column in columns}


def _typed(column: config.KbColumn, given: Mapping[str, Any], enums: Mapping[str, tuple[str, ...]]) -> Any:
    value = given.get(_plain(column.name))
    if column.type.base == "text":
        value = _as_text(value)
        if not value:
            value = None
        elif len(value) > LONGEST_FIELD:
            raise BadValue(f"`{column.name}` is longer than {LONGEST_FIELD} characters")
    try:
        return convert(value, column.type, enums)
    except BadValue as error:
        raise BadValue(f"`{column.name}`: {error}") from None


def _as_text(value: Any) -> str | None:
    """Text as it is, a list as its lines, anything else but null as JSON."""
    if value is None:
        return None
    if isinstance(value, list):
        return "\n".join(_as_text(item) or "" for item in value).strip()
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\x00", "").strip()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _lists(text: str) -> Iterator[list[dict[str, Any]]]:
    """The JSON objects in a text, those of one list together, fenced or not, outermost first; line breaks inside
    strings are let pass. A list is empty only where it stands as the entries."""
    decoder = json.JSONDecoder(strict=False)
    position = 0
    while (start := _OPENING.search(text, position)) is not None:
        try:
            value, position = decoder.raw_decode(text, start.start())
        except (ValueError, RecursionError):
            position = start.end()
            continue
        if isinstance(value, dict):
            value = value[ENTRIES] if isinstance(value.get(ENTRIES), list) else [value]
        elif not value:
            continue
        if all(isinstance(one, dict) for one in value):
            yield value


def _labelled(text: str, columns: Sequence[config.KbColumn]) -> dict[str, str]:
    """`Title: ...` and what follows up to the next label; Markdown's signs around labels are let pass."""
    names = "|".join(re.escape(column.name).replace("_", "[ _]") for column in columns)
    label = re.compile(
        rf"^[ \t]*[#*_]*[ \t]*({names})[ \t]*[*_]*[ \t]*:[ \t]*[*_]*", re.IGNORECASE | re.MULTILINE
    )
    found = list(label.finditer(text))
    ends = [*(match.start() for match in found), len(text)][1:]
    return {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=False)}
