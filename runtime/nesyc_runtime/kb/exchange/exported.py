"""How exports mark themselves, and what their cells stand for: shared by those who write and those who read them."""

from __future__ import annotations

from typing import Any

HEAD = "nesyc kb export"
CSV_HEAD = "_export"


def csv_value(cell: Any) -> Any:
    """What a cell of an exported CSV file stands for: null is `\\N`, a text that begins with a backslash has two."""
    if cell == "\\N":
        return None
    return cell[1:] if isinstance(cell, str) and cell.startswith("\\\\") else cell
