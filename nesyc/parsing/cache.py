"""Small files in the user's own cache folder, which may be missing, unwritable or somebody else's.

Every failure is silent: a cache saves time and decides nothing.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import tempfile
from pathlib import Path


def folder() -> Path | None:
    """$XDG_CACHE_HOME/nesyc (or the system's counterpart), made with mode 0700; None where it is not ours."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        if Path(base).is_absolute():  # the XDG specification: a relative value is to be ignored
            path = Path(base, "nesyc")
        elif sys.platform == "win32":
            path = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData/Local", "nesyc")
        else:
            path = Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "nesyc"
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
    except (OSError, RuntimeError):  # RuntimeError: no home folder
        return None
    return path if stat.S_ISDIR(status.st_mode) and _is_ours(status) else None


def read(name: str) -> bytes | None:
    """The file's bytes; None where it is missing, unreadable or could have been written by another user."""
    place = folder()
    if place is None:
        return None
    try:
        with (place / name).open("rb") as file:
            status = os.fstat(file.fileno())
            return file.read() if stat.S_ISREG(status.st_mode) and _is_ours(status) else None
    except OSError:
        return None


def write(name: str, content: bytes) -> None:
    """Write the file whole or not at all, so that a process reading beside us never sees half of it."""
    place = folder()
    if place is None:
        return
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(dir=place, prefix=f".{name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(place / name)
    except OSError:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def _is_ours(status: os.stat_result) -> bool:
    if sys.platform == "win32":
        return True  # the profile's own folder; there are no owner bits to read
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
