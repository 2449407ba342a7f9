"""The layered layout: no boxes overlap, edges lead from box to box, any graph is drawn."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from nesyc.docs.layout import Box, layered

NAMES = [f"n{number}" for number in range(12)]
EDGES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=30)
SIZES = st.lists(st.tuples(st.floats(10, 200), st.floats(10, 80)), min_size=12, max_size=12)


@given(EDGES, SIZES)
@settings(max_examples=80, deadline=None)
def test_boxes_do_not_overlap(edges: list[tuple[str, str]], sizes: list[tuple[float, float]]) -> None:
    boxes = [Box(name, *size) for name, size in zip(NAMES, sizes, strict=True)]
    layout = layered(boxes, edges)
    assert set(layout.places) == set(NAMES)
    for a in boxes:
        (ax, ay) = layout.places[a.id]
        assert 0 <= ax <= layout.width - a.width + 1e-6 and -1e-6 <= ay <= layout.height - a.height + 1e-6
        for b in boxes:
            if a.id < b.id:
                (bx, by) = layout.places[b.id]
                apart = ax + a.width <= bx or bx + b.width <= ax or ay + a.height <= by or by + b.height <= ay
                assert apart, (a.id, b.id)
    assert set(layout.paths) == {pair for pair in edges if pair[0] != pair[1]}
    for (source, target), points in layout.paths.items():
        for id_, (x, y) in ((source, points[0]), (target, points[-1])):
            box = next(box for box in boxes if box.id == id_)
            left, top = layout.places[id_]
            assert abs(y - top - box.height / 2) < 1e-6
            assert min(abs(x - left), abs(x - left - box.width)) < 1e-6
    assert layered(boxes, edges) == layout


def test_a_chain_goes_from_left_to_right_and_is_no_recursion() -> None:
    names = [f"c{number}" for number in range(3000)]
    layout = layered([Box(name, 10, 10) for name in names], list(pairwise(names)))
    xs = [layout.places[name][0] for name in names]
    assert xs == sorted(xs) and len(set(xs)) == len(xs)


def test_an_order_without_crossings_is_found() -> None:
    boxes = [Box(name, 10, 10) for name in ("a", "b", "c", "x", "y", "z")]
    layout = layered(boxes, [("a", "z"), ("b", "y"), ("c", "x")])
    left = sorted("abc", key=lambda name: layout.places[name][1])
    right = sorted("xyz", key=lambda name: layout.places[name][1])
    assert [{"a": "z", "b": "y", "c": "x"}[name] for name in left] == right


def test_fixed_layers_hold_and_edges_may_lead_back() -> None:
    boxes = [Box("a", 10, 10, 0), Box("b", 10, 10, 1), Box("c", 10, 10, 1)]
    layout = layered(boxes, [("b", "a"), ("b", "c"), ("c", "c"), ("a", "gone")])
    assert layout.places["b"][0] == layout.places["c"][0] > layout.places["a"][0]
    assert set(layout.paths) == {("b", "a"), ("b", "c")}
    assert layered([], []).width == 0
