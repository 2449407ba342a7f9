"""Entries in a teacher's words: what is read, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue
from nesyc_runtime.stages.entries import (
    LONGEST_FIELD,
    NoEntries,
    asked_columns,
    entries_in,
    extract_prompt,
)


def column(name: str, base: str = "text", nullable: bool = False) -> config.KbColumn:
    type_ = {"base": base, "nullable": nullable, "enum": "Kin" if base == "enum" else None}
    return config.KbColumn.model_validate({"name": name, "type": type_})


COLUMNS = [column("title"), column("body"), column("trigger", nullable=True)]
ENUMS = {"Kin": ("aunt",)}
WHOLE = {"title": "T", "body": "B", "trigger": None}


@pytest.mark.parametrize(
    "text",
    [
        '{"title": "T", "body": "B"}',
        'Sure! Here it is:\n```json\n{"Title": "T", "Body": "B", "trigger": null}\n```\nHope it helps.',
        'a {broken {"x": 1} {"title": "T", "body": "B", "more": [1]}',
        "Title: T\nBody: B",
        "**Title:** T\n\n## Body:\n\nB\n",
        '{"title": ["T"], "body": "B\x00", "trigger": ""}',
    ],
)
def test_reads(text: str) -> None:
    assert entries_in(text, COLUMNS, ENUMS) == [WHOLE]


@pytest.mark.parametrize(
    "text",
    [
        '{"entries": [{"title": "T", "body": "B"}, {"title": "U", "body": "C"}]}',
        '[1] as asked:\n```json\n[{"title": "T", "body": "B"}, {"title": "U", "body": "C"}]\n```',
        '[{"example": 1}] {"entries": []} [{"title": "T", "body": "B"}, {"title": "U", "body": "C"}]',
    ],
)
def test_reads_several(text: str) -> None:
    assert entries_in(text, COLUMNS, ENUMS) == [WHOLE, {"title": "U", "body": "C", "trigger": None}]


def test_line_breaks_and_types() -> None:
    columns = [column("body"), column("n", "int"), column("kin", "enum")]
    assert entries_in('{"body": "a\nb", "n": "3", "kin": "aunt"}', columns, ENUMS) == [
        {"body": "a\nb", "n": 3, "kin": "aunt"}
    ]
    assert entries_in("Body: a\nb: c\nN: 4\nKin: aunt", columns, ENUMS)[0]["body"] == "a\nb: c"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api defeat",
        "{}",
        '{"title": "T"}',
        "Title: T",
        '{"title": "T", "body": "  "}',
        '["title", "body"]',
        '{"entries": []}',
        '{"entries": [{"title": "T", "body": "B"}, {"title": "U"}]}',
        "{" * 9999,
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(BadValue):
        entries_in(text, COLUMNS, ENUMS)


@pytest.mark.parametrize(
    ("text", "empty"),
    [
        ('{"entries": []}', True),
        ('```json\n{"entries": []}\n```\nNothing general.', True),
        ("[]", False),
        ('{"entries": []} {"title": "T"}', False),
        ('{"entries": [{}]}', False),
    ],
)
def test_an_empty_list_is_told_from_an_unusable_answer(text: str, empty: bool) -> None:
    with pytest.raises(BadValue) as refused:
        entries_in(text, COLUMNS, ENUMS)
    assert isinstance(refused.value, NoEntries) is empty
    with pytest.raises(NoEntries):  # where every column may be null, no label is an entry too
        entries_in('{"entries": []}', [column("body", nullable=True)], ENUMS)


def test_refuses_what_is_too_long() -> None:
    with pytest.raises(BadValue, match="longer than"):
        entries_in('{"title": "T", "body": "' + "x" * (LONGEST_FIELD + 1) + '"}', COLUMNS, ENUMS)


@given(st.text(max_size=300))
def test_any_answer_has_entries_or_a_bad_value(text: str) -> None:
    try:
        entries = entries_in(text, COLUMNS, ENUMS)
    except BadValue:
        return
    assert entries and all(entry["title"] and entry["body"] for entry in entries)


def test_a_teacher_fills_neither_vectors_nor_counting_keys() -> None:
    values: dict[str, Any] = {
        "name": "lesson",
        "derived": False,
        "columns": [
            {"name": "id", "type": {"base": "int"}},
            {"name": "body", "type": {"base": "text"}},
            {"name": "vec", "type": {"base": "vector", "size": 4}, "embed": ["mini", "body"]},
        ],
        "key": ["id"],
        "indexes": [],
        "unique": None,
        "fulltext": [],
        "nearest": None,
        "provenance_required": False,
        "say": None,
        "location": {"file": "s", "line": 1, "col": 1, "end_line": 1, "end_col": 1},
    }
    relation = config.Relation.model_validate(values)
    assert [c.name for c in asked_columns(relation)] == ["body"]


def test_gold_and_solution_stand_in_the_prompt_only_where_shown() -> None:
    shown = extract_prompt("Q?", "wrong", COLUMNS, "because so", {"answer": "the-gold"})
    hidden = extract_prompt("Q?", "wrong", COLUMNS, None, None)
    assert "the-gold" in shown and "because so" in shown
    assert "the-gold" not in hidden and "right" not in hidden.lower()
    for text in (shown, hidden):
        assert "Q?" in text and "wrong" in text and '"trigger" (text or null)' in text
