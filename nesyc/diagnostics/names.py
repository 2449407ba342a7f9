"""Names and counts in messages: what a mistyped name may have meant, how many of what."""

from __future__ import annotations

from collections.abc import Iterable

MOST = 3
LONGEST = 64


def near_names(name: str, candidates: Iterable[str]) -> tuple[str, ...]:
    """At most three of `candidates` that `name` may be a slip for, nearest first; ties in their own order.

    Near means: equal but for case and underscores, or few single-character slips (one in three
    characters), a swap of neighbours counting as one.
    """
    if len(name) > LONGEST:
        return ()
    allowed = max(1, len(name) // 3)
    found: list[tuple[int, int, str]] = []
    for place, candidate in enumerate(dict.fromkeys(candidates)):
        if candidate == name or len(candidate) > LONGEST:
            continue
        if _folded(candidate) == _folded(name):
            found.append((0, place, candidate))
        elif abs(len(candidate) - len(name)) <= allowed and (slips := _slips(name, candidate)) <= allowed:
            found.append((slips, place, candidate))
    # A one-letter name is one slip away from every other one: only case tells there.
    near = sorted(item for item in found if len(name) > 1 or item[0] == 0)
    return tuple(candidate for _, _, candidate in near[:MOST])


def _folded(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")


def _slips(a: str, b: str) -> int:
    """Insertions, deletions, replacements and swaps of neighbours between two short words."""
    older: list[int] = []
    previous = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        current = [i]
        for j, right in enumerate(b, 1):
            slips = min(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                slips = min(slips, older[j - 2] + 1)
            current.append(slips)
        older, previous = previous, current
    return previous[-1]


def counted(number: int, one: str, many: str = "") -> str:
    """`1 task`, `2 tasks`; `many` where an `s` does not do."""
    return f"{number} {one if number == 1 else many or one + 's'}"
