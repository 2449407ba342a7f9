"""Writing files so that a crash leaves the old content or the new one, never half of it."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]")


class SupportsWrite(Protocol):
    """A file that is open for text."""

    def write(self, text: str, /) -> Any: ...


def write_atomic(path: Path, text: str) -> None:
    """Write `text` (UTF-8, lone surrogates replaced) to `path` by way of a temporary file beside it.

    A new file has the permissions the user's umask gives, one that is there keeps its own.
    """
    write_atomic_bytes(path, text.encode("utf-8", "replace"))


def write_atomic_bytes(path: Path, content: bytes) -> None:
    """As `write_atomic`, bytes as they are."""
    with atomic(path) as file:
        file.write(content)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[BinaryIO]:
    """A file to write bytes to, which is `path` once the block has ended, and nothing where it fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: object, *, indent: int | None = 1) -> None:
    """`value` as one JSON document, written atomically."""
    write_atomic(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, values: Iterable[object]) -> None:
    """One JSON value a line, written atomically."""
    lines = (json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n" for value in values)
    write_atomic(path, "".join(lines))


def write_csv_line(out: SupportsWrite, cells: Sequence[Any]) -> None:
    """One line of CSV. All its cells are quoted where one has a carriage return, which Python up to 3.12 writes bare."""
    bare = any(isinstance(cell, str) and "\r" in cell for cell in cells)
    quoted = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_ALL if bare else csv.QUOTE_MINIMAL)
    quoted.writerow(cells)


def read_jsonl(path: Path) -> Iterator[Any]:
    """The values of a file that `write_jsonl` wrote."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def has_control(text: str) -> bool:
    """Whether a text holds characters that steer a terminal or turn the direction of writing."""
    return _CONTROL.search(text) is not None


def printable(text: str, limit: int = 200) -> str:
    """`text` without control characters and at most `limit` long, fit for a terminal or a message."""
    shown = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text.replace("\t", " "))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"
