"""The drawings of a report: scores with their intervals, differences, losses. Each is one SVG text.

Vega-Lite draws them through altair; vl-convert turns them into SVG in this process, so the page needs no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import altair as alt
import vl_convert

WIDTH, ROW = 560, 26
INK, BAND = "#0b57b0", "#9aa0a8"


def scores_chart(scores: Sequence[Mapping[str, Any]]) -> str:
    """One dot a student with its 95 % interval, in the order compared; scores of one metric on one split."""
    rows = [
        {"student": s["student"], "value": s["value"], "low": _or(s, "low"), "high": _or(s, "high")}
        for s in scores
    ]
    order = [row["student"] for row in rows]
    measure = scores[0]["metric"]
    return _intervals(rows, "student", order, measure, zero=True)


def differences_chart(compare: Sequence[Mapping[str, Any]]) -> str:
    """One dot a compared pair with its 95 % interval and a line at no difference; pairs of one metric."""
    rows = [
        {"pair": f"{c['a']} − {c['b']}", "value": c["delta"], "low": c["low"], "high": c["high"]}
        for c in compare
    ]
    return _intervals(rows, "pair", [row["pair"] for row in rows], f"difference of {compare[0]['metric']}")


def losses_chart(training: Sequence[Mapping[str, Any]]) -> str:
    """The loss of each training over its steps, the running mean of twenty points over the points."""
    rows = [
        {"stage": report["stage"], "step": step, "loss": loss}
        for report in training
        for step, loss in report["loss"]
    ]
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=alt.X("step:Q", title="step"),
        color=alt.Color("stage:N", title=None, legend=alt.Legend(symbolOpacity=1)),
    )
    points = base.mark_line(opacity=0.25, strokeWidth=1).encode(y=alt.Y("loss:Q", title="loss"))
    smooth = (
        base.transform_window(mean="mean(loss)", frame=[-10, 10], groupby=["stage"])
        .mark_line(strokeWidth=2)
        .encode(y=alt.Y("mean:Q"))
    )
    return _svg((points + smooth).properties(width=WIDTH, height=220))


def _or(score: Mapping[str, Any], side: str) -> float:
    return cast("float", score["value"] if score[side] is None else score[side])


def _intervals(
    rows: Sequence[Mapping[str, Any]], name: str, order: Sequence[str], title: str, *, zero: bool = False
) -> str:
    base = alt.Chart(alt.Data(values=list(rows))).encode(
        y=alt.Y(f"{name}:N", sort=list(order), title=None, axis=alt.Axis(labelLimit=320))
    )
    shares = zero and all(row["low"] >= 0 and row["high"] <= 1 for row in rows)
    scale = alt.Scale(domain=[0, 1]) if shares else alt.Scale(zero=True)
    bars = base.mark_rule(strokeWidth=2, color=BAND).encode(
        x=alt.X("low:Q", title=title, scale=scale), x2="high:Q"
    )
    dots = base.mark_point(filled=True, size=70, color=INK, opacity=1).encode(x="value:Q")
    layers = [bars, dots]
    if not zero:
        line = alt.Chart(alt.Data(values=[{"at": 0}])).mark_rule(strokeDash=[4, 3], color=BAND)
        layers.insert(0, line.encode(x="at:Q"))
    return _svg(alt.layer(*layers).properties(width=WIDTH, height=ROW * len(rows)))


def _svg(chart: Any) -> str:
    # a reader's font may be wider than the one the labels were measured with
    padding = {"left": 48, "right": 48, "top": 5, "bottom": 5}
    spec = chart.configure(font="sans-serif", background="white", padding=padding).to_json()
    return vl_convert.vegalite_to_svg(spec)
