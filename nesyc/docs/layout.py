"""A small layered drawing of a graph: layers from left to right, few crossings, no overlaps.

After Sugiyama, Tagawa and Toda (1981): edges against the flow are turned, long ones get a bend in each layer they pass,
layers are ordered by the mean place of neighbours. For graphs of some hundred nodes, as a page can show.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

GAP_X, GAP_Y = 56.0, 14.0
BEND = 4.0  # height of the place a long edge keeps free in a layer it passes
SWEEPS = 8

Point = tuple[float, float]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Box:
    """A node to place; `layer` fixes its layer, None leaves it to the edges."""

    id: str
    width: float
    height: float
    layer: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """`places` are upper left corners; `paths` the points of each edge from the right of one box to the left of another.

    An edge against the flow runs from right to left; one from a box to itself has no path here.
    """

    places: Mapping[str, Point]
    paths: Mapping[Pair, tuple[Point, ...]]
    width: float
    height: float


def layered(boxes: Sequence[Box], edges: Sequence[Pair]) -> Layout:
    """Places for all boxes; edges to unknown boxes are left out. The same input gives the same drawing."""
    by_id = {box.id: box for box in boxes}
    pairs = [
        pair for pair in dict.fromkeys(edges) if pair[0] in by_id and pair[1] in by_id and pair[0] != pair[1]
    ]
    layer = _layers(boxes, pairs)
    chains, columns, links = _chains(boxes, pairs, layer)
    _order(columns, links)
    places, widths, height = _coordinates(columns, by_id)
    paths = {pair: _path(pair, chain, places, widths, by_id) for pair, chain in chains.items()}
    width = max((places[id_][0] + widths[id_] for id_ in places), default=0.0)
    return Layout({id_: places[id_] for id_ in by_id}, paths, width, height)


def _layers(boxes: Sequence[Box], pairs: Sequence[Pair]) -> dict[str, int]:
    """Fixed layers as given; the others by the longest way to them along edges that close no cycle."""
    if all(box.layer is not None for box in boxes):
        return {box.id: box.layer or 0 for box in boxes}
    after: dict[str, list[str]] = defaultdict(list)
    for a, b in pairs:
        after[a].append(b)
    order = _finishing_order([box.id for box in boxes], after)
    place = {id_: number for number, id_ in enumerate(order)}
    layer = dict.fromkeys(order, 0)
    for a in order:
        for b in after[a]:
            if place[a] < place[b]:
                layer[b] = max(layer[b], layer[a] + 1)
    return layer


def _finishing_order(ids: Sequence[str], after: Mapping[str, Sequence[str]]) -> list[str]:
    """Depth first, by hand so that a long chain does not end the stack; reversed, edges mostly lead forward."""
    seen: set[str] = set()
    finished: list[str] = []
    for root in reversed(ids):
        open_ = [(root, iter(reversed(after.get(root, ()))))] if root not in seen else []
        seen.add(root)
        while open_:
            node, rest = open_[-1]
            for following in rest:
                if following not in seen:
                    seen.add(following)
                    open_.append((following, iter(reversed(after.get(following, ())))))
                    break
            else:
                finished.append(node)
                open_.pop()
    return finished[::-1]


def _chains(
    boxes: Sequence[Box], pairs: Sequence[Pair], layer: Mapping[str, int]
) -> tuple[dict[Pair, list[str]], list[list[str]], list[Pair]]:
    """For each edge the bends it takes, the layers with all they hold, and the links between neighbours."""
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for box in boxes:
        columns[layer[box.id]].append(box.id)
    chains: dict[Pair, list[str]] = {}
    links: list[Pair] = []
    for a, b in pairs:
        low, high = sorted((layer[a], layer[b]))
        bends = [f"{a}\0{b}\0{place}" for place in range(low + 1, high)]
        for place, bend in zip(range(low + 1, high), bends, strict=True):
            columns[place].append(bend)
        chains[a, b] = bends if layer[a] <= layer[b] else bends[::-1]
        chain = [a, *chains[a, b], b]
        links += pairwise(chain)
    return chains, columns, links


def _order(columns: Sequence[list[str]], links: Sequence[Pair]) -> None:
    """Sorts each layer by the mean place of its neighbours, to and fro."""
    beside: dict[str, list[str]] = defaultdict(list)
    for a, b in links:
        beside[a].append(b)
        beside[b].append(a)
    for sweep in range(SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for number in range(len(columns))[::step]:
            before = number - step
            fixed = columns[before] if 0 <= before < len(columns) else []
            place = _shares(fixed)
            own = _shares(columns[number])
            keys = {id_: _mean(beside[id_], place, own[id_]) for id_ in columns[number]}
            columns[number].sort(key=keys.__getitem__)


def _shares(column: Sequence[str]) -> dict[str, float]:
    return {id_: at / max(1, len(column) - 1) for at, id_ in enumerate(column)}


def _mean(ids: Sequence[str], place: Mapping[str, float], otherwise: float) -> float:
    found = [place[id_] for id_ in ids if id_ in place]
    return sum(found) / len(found) if found else otherwise


def _coordinates(
    columns: Sequence[Sequence[str]], by_id: Mapping[str, Box]
) -> tuple[dict[str, Point], dict[str, float], float]:
    """Upper left corners and widths of boxes and bends (a bend is as wide as its layer), and the whole height."""

    def height(id_: str) -> float:
        return by_id[id_].height if id_ in by_id else BEND

    heights = [sum(height(id_) + GAP_Y for id_ in column) - GAP_Y for column in columns if column]
    whole = max(heights, default=0.0)
    places: dict[str, Point] = {}
    widths: dict[str, float] = {}
    x = 0.0
    for column in columns:
        width = max((by_id[id_].width for id_ in column if id_ in by_id), default=0.0)
        y = (whole - (sum(height(id_) + GAP_Y for id_ in column) - GAP_Y)) / 2
        for id_ in column:
            own = by_id[id_].width if id_ in by_id else width
            places[id_], widths[id_] = (x + (width - own) / 2, y), own
            y += height(id_) + GAP_Y
        x += width + GAP_X
    return places, widths, whole


def _path(
    pair: Pair,
    bends: Sequence[str],
    places: Mapping[str, Point],
    widths: Mapping[str, float],
    by_id: Mapping[str, Box],
) -> tuple[Point, ...]:
    a, b = (by_id[id_] for id_ in pair)
    (ax, ay), (bx, by) = places[a.id], places[b.id]
    forward, aside = bx > ax + a.width, bx + b.width >= ax and ax + a.width >= bx
    start = (ax + a.width if forward or aside else ax, ay + a.height / 2)
    end = (bx if forward else bx + b.width, by + b.height / 2)
    passed: list[Point] = []
    for bend in bends:
        x, y = places[bend]
        sides = [(x, y + BEND / 2), (x + widths[bend], y + BEND / 2)]
        passed += sides if forward else sides[::-1]
    return (start, *passed, end)
