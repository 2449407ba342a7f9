"""manifest.json: what a build was made from and what it holds, by content hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def emit_manifest(made_from: Mapping[str, Any], files: Mapping[str, str]) -> str:
    """The text of manifest.json: `made_from` (see `nesyc.pipeline`), and the hash of every generated file."""
    outputs = {name: digest(text.encode("utf-8")) for name, text in sorted(files.items())}
    return json.dumps({"v": 1, **made_from, "outputs": outputs}, indent=1, ensure_ascii=False) + "\n"


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()
