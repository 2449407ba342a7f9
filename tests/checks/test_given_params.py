"""A value of a param from outside the source is reported where it was written, and where the param is declared."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from nesyc.workspace import Checked, check_spec

SPEC = """nesy 1
enum Kin { aunt uncle }
param items: int = 5
param kin: Kin = .aunt
param when: date = "2026-01-01"
param most: int?
dataset d { row (q: text), split train = jsonl("t.jsonl", limit = items) }
"""
YAML = """profiles:
  wrong: {items: lots, kin: aunty, when: 2026-02-31, itemz: 3}
  range: {items: 0}
  none: {items: ~, most: ~}
"""


def checked(tmp_path: Path, profile: str | None = None, **params: str) -> Checked:
    (tmp_path / "s.nesy").write_text(SPEC)
    (tmp_path / "nesyc.yaml").write_text(YAML)
    return check_spec(tmp_path / "s.nesy", profile=profile, params=params)


def places(found: Checked) -> dict[str, list[str]]:
    """`CODE text` of each diagnostic, with the texts of its further places."""
    texts = {**found.loaded.texts, **found.loaded.options}
    return {
        f"{one.code} {one.span.file} {texts[one.span.file][one.span.start : one.span.end]}": [
            f"{other.span.file} {texts[other.span.file][other.span.start : other.span.end]}"
            for other in one.related
        ]
        for one in found.diagnostics
    }


def test_a_profile_is_pointed_at(tmp_path: Path) -> None:
    assert places(checked(tmp_path, "wrong")) == {
        "E0302 nesyc.yaml lots": ["s.nesy int"],
        "E0303 nesyc.yaml aunty": ["s.nesy Kin"],
        "E0302 nesyc.yaml 2026-02-31": ["s.nesy date"],
        "E0201 nesyc.yaml itemz": [],
    }


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"items": "x"}, {"E0302 --param x": ["s.nesy int"]}),
        ({"kin": "unkle", "itemz": "1"}, {"E0303 --param unkle": ["s.nesy Kin"], "E0201 --param itemz": []}),
        ({"items": "0"}, {"E0308 s.nesy items": ["--param 0"]}),
        ({"most": "null", "kin": ".uncle"}, {}),
        ({"items": "null"}, {"E0302 --param null": ["s.nesy int"]}),
    ],
)
def test_an_option_is_pointed_at(
    tmp_path: Path, params: Mapping[str, str], expected: Mapping[str, list[str]]
) -> None:
    assert places(checked(tmp_path, **params)) == expected


def test_where_a_value_out_of_range_comes_from(tmp_path: Path) -> None:
    assert places(checked(tmp_path, "range")) == {"E0308 s.nesy items": ["nesyc.yaml 0"]}


def test_null_is_a_value_of_what_may_be_null(tmp_path: Path) -> None:
    assert places(checked(tmp_path, "none")) == {"E0302 nesyc.yaml ~": ["s.nesy int"]}


def test_an_option_wins_over_a_wrong_profile(tmp_path: Path) -> None:
    found = places(checked(tmp_path, "wrong", items="3", kin="aunt", when="2026-02-28"))
    assert found == {"E0201 nesyc.yaml itemz": []}


def test_an_unknown_profile(tmp_path: Path) -> None:
    (problem,) = checked(tmp_path, "rang").diagnostics
    assert problem.span.file == "--profile" and problem.help is not None and "`range`" in problem.help.message
