"""How commands speak: results on stdout or into a file, everything else on stderr."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.emit.files import write_atomic

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def stderr_console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def print_result(
    value: dict[str, Any], text: RenderableType | None, *, as_json: bool, out: Path | None
) -> None:
    """Give `value` as one JSON object, or `text` for people, on stdout or in the file `out`.

    `text` may be any rich renderable; None prints nothing for people.
    """
    if as_json:
        rendered = to_json(value) + "\n"
    else:
        rendered = render(text, colour=out is None and sys.stdout.isatty()) if text is not None else ""
    if out is not None:
        write_atomic(out, rendered)
    else:
        sys.stdout.write(rendered)
        sys.stdout.flush()


def render(text: RenderableType, *, colour: bool) -> str:
    """A renderable as terminal text; plain strings pass unchanged (no markup is read from them)."""
    if isinstance(text, str):
        return text if text.endswith("\n") or not text else text + "\n"
    from io import StringIO

    from rich.console import Console

    buffer = StringIO()
    width = None if colour else 120
    Console(file=buffer, force_terminal=colour, highlight=False, width=width).print(text)
    return buffer.getvalue()
