"""Where no server is set: notes for the knowledge base out of the teacher's right rationale of the same item.

It stands in for a teacher that analyses errors, and is weaker than one: it repeats the sentences of what the teacher once reasoned,
those that may be true of other items too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

CONCLUSION = re.compile(r"\s*so the answer is\b.*", re.IGNORECASE | re.DOTALL)
SENTENCE_END = re.compile(r'(?<=[.!?])(?<!\bAug\.)(?<!\bSept\.)\s+(?=[A-Z0-9"])|\n+')
# a choice, a sum, a count, what announces a list
OF_THE_ITEM = re.compile(r"\boptions?\b|=|\(\d+\)$|:$", re.IGNORECASE)
OF_A_DAY = re.compile(r"\b(today|tomorrow|yesterday)\b", re.IGNORECASE)  # which day that is, no note says


def write_notes(request: Mapping[str, Any]) -> str:
    """Entries as JSON: the rationale's sentences and listed points, less its conclusion and what it says of its own item."""
    reasoning = CONCLUSION.sub("", request.get("rationale") or "")
    pieces = [piece.removeprefix("- ").strip() for piece in SENTENCE_END.split(reasoning)]
    notes = [piece for piece in dict.fromkeys(pieces) if piece and stands_alone(piece)]
    return json.dumps({"entries": [{"body": note} for note in notes]}, ensure_ascii=False)


def stands_alone(piece: str) -> bool:
    """Whether a sentence may be true beside another question: of a day, only where it begins with what makes it that day."""
    return not OF_THE_ITEM.search(piece) and (piece.startswith("If ") or not OF_A_DAY.search(piece))
