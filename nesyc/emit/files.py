"""Writing files so that a crash never leaves half of one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from pathlib import Path


def write_atomic(path: Path, text: str) -> None:
    """Write `text` so that a reader, or a crash, sees the old file or the new one, never half of it.

    A file that is there keeps its permissions. Raises `OSError` with the name of `path`.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path.as_posix())
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path.as_posix()) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
