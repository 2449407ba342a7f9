"""`module:function`, the only way a spec names code."""

from __future__ import annotations

import re

_TARGET = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)


def is_target(text: str) -> bool:
    """Whether `text` has the form `module:function` or `package.module:function`."""
    return _TARGET.fullmatch(text) is not None
