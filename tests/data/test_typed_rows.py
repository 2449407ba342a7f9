"""Typed rows: conversion, ids, and what a bad row says."""

from __future__ import annotations

from typing import Any

import pytest

from nesyc_runtime import config
from nesyc_runtime.data.rows import BadValue, content_id, convert, fingerprint

ENUMS = {"Kin": ("father", "aunt")}


def of(base: str, **more: Any) -> config.Type:
    return config.Type(base=base, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "type_", "expected"),
    [
        ("x", of("text"), "x"),
        ("", of("text"), ""),
        (3, of("text"), "3"),
        ("12", of("int"), 12),
        (12, of("int"), 12),
        ("-3.5", of("number"), -3.5),
        (2, of("number"), 2.0),
        ("TRUE", of("bool"), True),
        (False, of("bool"), False),
        ("2026-01-31", of("date"), "2026-01-31"),
        ("aunt", of("enum", enum="Kin"), "aunt"),
        ([1, 2], of("vector", size=2), [1.0, 2.0]),
        ({"a": [1]}, of("json"), {"a": [1]}),
        (None, of("int", nullable=True), None),
        ("", of("int", nullable=True), None),
    ],
)
def test_converts(value: Any, type_: config.Type, expected: Any) -> None:
    assert convert(value, type_, ENUMS) == expected


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, of("int")),
        (1.5, of("int")),
        ("1.5", of("int")),
        ("nan", of("number")),
        (float("inf"), of("number")),
        (True, of("number")),
        (1, of("bool")),
        ("31.1.2026", of("date")),
        ("uncle", of("enum", enum="Kin")),
        (".aunt", of("enum", enum="Kin")),
        ([1], of("vector", size=2)),
        (None, of("text")),
        ("", of("int")),
        ([1], of("text")),
    ],
)
def test_refuses(value: Any, type_: config.Type) -> None:
    with pytest.raises(BadValue):
        convert(value, type_, ENUMS)


def test_a_bad_value_cannot_drive_the_terminal() -> None:
    with pytest.raises(BadValue) as error:
        convert("\x1b[2J", of("int"), {})
    assert "\x1b" not in str(error.value)


def test_the_content_id_never_changes() -> None:
    assert content_id({"b": 1, "a": "é"}) == content_id({"a": "é", "b": 1}) == "aa58fba8483623be"


def test_white_space_does_not_make_rows_differ() -> None:
    assert fingerprint({"q": "a  b\n", "x": 1}, ["q"]) == fingerprint({"q": " a b", "x": 2}, ["q"])
    assert fingerprint({"q": "a b"}, ["q"]) != fingerprint({"q": "ab"}, ["q"])
