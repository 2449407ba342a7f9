"""docs/diagnostics.md is what the table says."""

from __future__ import annotations

from pathlib import Path

from nesyc.diagnostics.codes import CODES
from nesyc.diagnostics.codes.page import AREAS, diagnostics_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "diagnostics.md"


def test_the_page_is_up_to_date(update_golden: bool) -> None:
    if update_golden:
        PAGE.write_text(diagnostics_page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == diagnostics_page()


def test_every_code_has_its_place() -> None:
    page = diagnostics_page()
    for code in CODES.values():
        assert f"\n### {code.code}\n" in page
        assert code.code[:3] in AREAS
