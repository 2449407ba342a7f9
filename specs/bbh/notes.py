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
OF_THE_ITEM = re.compile(r"\boptions?\b|=", re.IGNORECASE)  # a choice, a sum
POINTS_BACK = r"(?:he|her|his|its?|she|that|the|their|these|they|this|those|today|tomorrow|yesterday)\b"
# What a sentence is about: a question that says the same words is one that it may help with.
FILM = re.compile(r"(?P<subject>.+?) \([^()]*; \d{4}\)$")  # title (kinds; year)
SUBJECTS = (
    re.compile(r"If (?P<subject>.+?),? then\b"),
    FILM,
    # questions say `hit` of what is `hitting` here
    re.compile(
        rf"(?!{POINTS_BACK})(?:\w+ing )?(?P<subject>.+?) (?:is|are|was|were) (?:an?|the|part of)\b",
        re.IGNORECASE,
    ),
)


def write_notes(request: Mapping[str, Any]) -> str:
    """Entries as JSON: the rationale's sentences and listed points that say what they are about, less its conclusion."""
    reasoning = CONCLUSION.sub("", request.get("rationale") or "")
    pieces = dict.fromkeys(piece.removeprefix("- ").strip() for piece in SENTENCE_END.split(reasoning))
    entries = [
        {"subject": subject, "option": FILM.match(piece) is not None, "body": piece}
        for piece in pieces
        if (subject := subject_of(piece))
    ]
    return json.dumps({"entries": entries}, ensure_ascii=False)


def subject_of(sentence: str) -> str | None:
    """What a sentence is about; None where it does not say so and may be true of its own item only."""
    if OF_THE_ITEM.search(sentence):
        return None
    found = next((match for subject in SUBJECTS if (match := subject.match(sentence))), None)
    return found["subject"] if found is not None else None
