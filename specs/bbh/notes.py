"""Where no server is set: a note for the knowledge base out of the teacher's right rationale of the same item.

It stands in for a teacher that analyses errors, and is weaker than one: it repeats what the teacher once
reasoned about this item, less the sentence that gives the answer away.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

ANSWER = re.compile(r"\s*so the answer is\b.*", re.IGNORECASE | re.DOTALL)
TITLE_WORDS = 8


def write_note(request: Mapping[str, Any]) -> str:
    """A note as JSON: the question's first words, and the rationale without its conclusion."""
    body = ANSWER.sub("", request.get("rationale") or "").strip()
    title = " ".join(str(request["inputs"]["input"]).split()[:TITLE_WORDS])
    return json.dumps({"title": title, "body": body}, ensure_ascii=False)
