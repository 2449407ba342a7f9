"""Why a stage runs again: the very things that differ between what it last ran with and what it has now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

NEVER = "never run"
SHOWN = 40  # characters of a value
NAMED = 4  # changed things of one input that are named; the rest is counted

Parts = Mapping[str, Mapping[str, Any]]

SAID = {
    "retrieved": "what the KB gives its items changed",
    "training module": "its training module changed",
    "examples": "its examples changed",
    "model": "the model it starts from changed",
    "against": "the examples it is held against changed",
    "errors": "the errors it reads changed",
    "refreshed": "asked for by --refresh",
}
UPSTREAM = frozenset({"examples", "model", "against", "errors", "retrieved"})  # decided by stages before it


def explain(
    before: Mapping[str, Any] | None,
    now: Mapping[str, Any],
    parts_before: Parts | None = None,
    parts_now: Parts | None = None,
) -> list[str]:
    """One line for each thing that differs; `never run` where there is no earlier run.

    The parts behind hashed inputs, by the inputs' names, let a line name the prompt, the rows or the rule.
    """
    if before is None:
        return [NEVER]
    lines: list[str] = []
    for name in changed_names(before, now):
        old, new = (parts_before or {}).get(name), (parts_now or {}).get(name)
        named = list(_parts(name, old, new)) if old is not None and new is not None else []
        lines += _few(named) or [_line(name, before.get(name), now.get(name))]
    return lines or ["its result is not there any more"]


def changed_names(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = [*now, *(name for name in before if name not in now)]
    return [name for name in names if before.get(name) != now.get(name)]


def _few(lines: Sequence[str]) -> list[str]:
    more = len(lines) - NAMED
    return [*lines[:NAMED], f"and {more} more changes"] if more > 0 else list(lines)


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


def _parts(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    kind = name.split(" ")[0]
    match kind:
        case "rows":
            yield from _rows(name.removeprefix("rows of "), before, now)
        case "retrieved":
            yield from _knowledge(before, now)
        case "task":
            for part in changed_names(before, now):
                yield f"{part} of {name} {_how(part, before, now)}"
        case _:
            for part in changed_names(before, now):
                yield _value(part, name, before.get(part), now.get(part))


def _how(part: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    return "is new" if part not in before else "is gone" if part not in now else "changed"


def _rows(split: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    new = sum(id_ not in before for id_ in now)
    gone = sum(id_ not in now for id_ in before)
    changed = sum(id_ in before and before[id_] != value for id_, value in now.items())
    if new:
        yield f"{new} of {len(now)} rows of {split} {_are(new)} new"
    if changed:
        yield f"{changed} of {len(now)} rows of {split} changed"
    if gone:
        yield f"{gone} of {len(before)} rows of {split} {_are(gone)} gone"
    if not (new or changed or gone):
        yield f"rows of {split} stand in another order"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _value(part: str, of: str, before: Any, now: Any) -> str:
    if any(isinstance(value, str) and len(value) == 64 for value in (before, now)):
        return f"{part} of {of} changed"
    return f"`{part}` of {of} changed {_shown(before)} -> {_shown(now)}"


def _knowledge(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for part in changed_names(before, now):
        if part != "items":
            yield _knowledge_part(part, before.get(part), now.get(part))
    old, new = before.get("items", {}), now.get("items", {})
    other = sum(id_ in old and old[id_] != value for id_, value in new.items())
    if other:
        yield f"the KB gives {other} of {len(new)} items something else"


def _knowledge_part(part: str, before: Any, now: Any) -> str:
    kind, _, name = part.partition(" ")
    if kind == "facts":
        return _facts(name, before or {}, now or {})
    place = f" ({now[1]})" if isinstance(now, list) else ""
    verb = "is new" if before is None else "is gone" if now is None else "edited"
    return f"{part} {verb}{place}" if isinstance(now or before, list) else f"{part} changed"


def _facts(relation: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    old, new = set(before.get("rows", ())), set(now.get("rows", ()))
    counts = [(len(new - old), "added"), (len(old - new), "removed")]
    said = [f"{count} {verb}" for count, verb in counts if count]
    if before.get("files") != now.get("files"):
        said.append("a file changed")
    return f"facts of {relation}: {', '.join(said) or 'another order'}"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
