"""What stands in for a teacher that analyses errors keeps what may be true beside another question."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

NOTES: dict[str, Any] = runpy.run_path(str(Path(__file__).parents[2] / "specs/bbh/notes.py"))


@pytest.mark.parametrize(
    ("rationale", "notes"),
    [
        (
            "Ann Alder is a golfer. Hitting a slam dunk is part of basketball. So the answer is no.",
            {
                "Ann Alder": "Ann Alder is a golfer.",
                "a slam dunk": "Hitting a slam dunk is part of basketball.",
            },
        ),
        (
            "If today is the first day of 2007, then today's date is January 1, 2007. 10 days before today is December 22, 2006, "
            "that is 12/22/2006. So the answer is 12/22/2006.",
            {
                "today is the first day of 2007": "If today is the first day of 2007, then today's date is January 1, 2007."
            },
        ),
        (
            "If tomorrow is Sept. 1, then today is Aug. 31. The date tomorrow is 09/01/2001. So the answer is 09/01/2001.",
            {"tomorrow is Sept. 1": "If tomorrow is Sept. 1, then today is Aug. 31."},
        ),
        (
            "We first identify the fruits on the list and include their quantity in parentheses:\n- plum (1)\n- figs (2)\n"
            "Now, let's add the numbers in parentheses: 1 + 2 = 3. So the answer is 3.",
            {},
        ),
        (
            "- The First Film (drama; 1994)\nThese are all the films. Amongst all the options, the nearest is Second Film (drama; 1995). "
            "So the answer is Second Film.",
            {"The First Film": "The First Film (drama; 1994)"},
        ),
        ("", {}),
        (None, {}),
    ],
)
def test_a_note_is_a_sentence_that_says_what_it_is_about(
    rationale: str | None, notes: dict[str, str]
) -> None:
    written = json.loads(NOTES["write_notes"]({"rationale": rationale}))
    assert {entry["subject"]: entry["body"] for entry in written["entries"]} == notes
    assert {entry["subject"] for entry in written["entries"] if entry["option"]} <= {"The First Film"}
    assert all(entry["option"] for entry in written["entries"] if entry["subject"] == "The First Film")
