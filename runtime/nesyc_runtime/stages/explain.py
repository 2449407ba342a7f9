"""Why a stage runs again: the difference between what it last ran with and what it has now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

NEVER = "never run"
SHOWN = 40  # characters of a value

SAID = {
    "retrieved": "what the KB gives its items changed",
    "training module": "its training module changed",
    "examples": "its examples changed",
    "model": "the model it starts from changed",
    "against": "the examples it is held against changed",
    "errors": "the errors it reads changed",
    "refreshed": "asked for by --refresh",
}


def explain(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """One line for each input that differs; `never run` where there is no earlier one."""
    if before is None:
        return [NEVER]
    names = [*now, *(name for name in before if name not in now)]
    changed = [name for name in names if before.get(name) != now.get(name)]
    return [_line(name, before.get(name), now.get(name)) for name in changed] or [
        "its result is not there any more"
    ]


def _line(name: str, before: Any, now: Any) -> str:
    if name in SAID:
        return SAID[name]
    if name.startswith("`") or name in ("nesyc", "torch"):
        return f"{name} changed {_shown(before)} -> {_shown(now)}"
    if before is None:
        return f"{name} is new"
    if now is None:
        return f"{name} is gone"
    return f"{name} changed"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
