"""Per-item results kept as they come: an append-only file that survives a kill at any byte."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Any


class ItemLog:
    """JSON values by key, one line each, the first of a key kept. A torn last line is cut off when opened."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._values, whole = _read(file)
        self._file = file.open("ab")
        self._file.truncate(whole)

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: str) -> Any:
        return self._values[key]

    def put(self, key: str, value: Any) -> None:
        """Keep a value; it is with the operating system when this returns."""
        if key in self._values:
            return
        line = json.dumps([key, value], ensure_ascii=False, allow_nan=False) + "\n"
        self._file.write(line.encode("utf-8", "replace"))
        self._file.flush()
        self._values[key] = value

    def __enter__(self) -> ItemLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _read(file: Path) -> tuple[dict[str, Any], int]:
    """The values, and how many bytes of the file are whole lines."""
    values: dict[str, Any] = {}
    whole = 0
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return values, 0
    for line in content.splitlines(keepends=True):
        try:
            key, value = json.loads(line)
        except (ValueError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        values.setdefault(key, value)
        whole += len(line)
    return values, whole


def count_lines(file: Path) -> int:
    """How many whole items a log holds, without opening it for writing."""
    return len(_read(file)[0])
