"""Does something again whenever a file it depends on changes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn, TypeAlias

Stamp: TypeAlias = tuple[int, int, int, int]
"""When content and entry changed last (nanoseconds), size, inode: a file moved here keeps its old content's time."""

PAUSE = 0.2
"""Seconds between two looks. Some dozens of `stat` calls: no library, and no file system that sends no events."""


def watch(act: Callable[[], Iterable[Path]]) -> NoReturn:
    """Call `act`, which says what it depends on, again after every change of that; until interrupted.

    A change that is still going on (an editor that writes in two steps, a checkout) is waited for.
    """
    files: list[Path] = []
    while True:
        begun, old, earlier = time.time_ns(), files, _state(files)
        files = sorted(act())
        sys.stdout.flush()
        seen = _state(files)
        if _state(old) != earlier or any(_changed_since(begun, stamp) for stamp in seen):
            time.sleep(PAUSE)  # it changed while it was being read
            continue
        while _state(files) == seen:
            time.sleep(PAUSE)
        while (now := _state(files)) != seen:
            seen = now
            time.sleep(PAUSE)


def _changed_since(begun: int, stamp: Stamp | None) -> bool:
    """Whether a file was written after `begun`, and so may have been read too early.

    A file system's clock runs some milliseconds behind; a time in the future says nothing.
    """
    return stamp is not None and any(begun - 20_000_000 <= moment <= time.time_ns() for moment in stamp[:2])


def clear_screen() -> None:
    """Begin with an empty terminal; anywhere else, output follows output."""
    if sys.stdout.isatty():
        sys.stdout.write("\x1b[H\x1b[2J\x1b[3J")


def _state(files: Iterable[Path]) -> list[Stamp | None]:
    return [_stamp(file) for file in files]


def _stamp(file: Path) -> Stamp | None:
    try:
        status = file.stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
