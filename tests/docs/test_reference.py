"""docs/reference.md is what the tables of the checks say."""

from __future__ import annotations

from pathlib import Path

from nesyc.checks.reference import reference_page, undocumented
from nesyc.checks.signatures import BLOCKS, STAGES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"


def test_the_page_is_up_to_date(update_golden: bool) -> None:
    if update_golden:
        PAGE.write_text(reference_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == reference_page()


def test_nothing_is_left_out() -> None:
    assert undocumented() == set()
    for name in (*BLOCKS, *STAGES):
        assert f"\n### {name}\n" in reference_page()
