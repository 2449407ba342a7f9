"""A plan as people read it: what runs, why, and what it would take."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nesyc_runtime.files import printable
from nesyc_runtime.report.tables import cells, substitution_notes, table_of

STYLES = {"done": "dim", "partial": "yellow", "run": "green", "blocked": "red"}
_UPSTREAM = re.compile(r"upstream (`.*`) will run")
UNITS = ((86400, "d"), (3600, "h"), (60, "min"))


def plan_table(plan: Mapping[str, Any]) -> RenderableType:
    """Stages in order, the totals, and what is wrong with them."""
    stages = plan["stages"]
    if all(stage["state"] == "done" for stage in stages):
        return Group(*substitution_notes(plan), Text(f"nothing to run: all {len(stages)} stages are done"))
    return Group(*substitution_notes(plan), _stages(stages), Text(""), *_totals(plan), *_over(plan))


def _stages(stages: Sequence[Mapping[str, Any]]) -> Table:
    columns = [name for name in ("calls", "tokens", "usd") if any(stage[name][1] for stage in stages)]
    heads = {"usd": "USD"}
    table = table_of("stage", "state", *(heads.get(name, name) for name in columns), "time", "why")
    for stage in stages:
        numbers = [span(stage[name], WORDS[name]) for name in columns]
        row = [stage["name"], stage["state"], *numbers, span(stage["seconds"], duration)]
        table.add_row(
            *cells(*row, "\n".join(_why(stage["why"]))),
            style=STYLES[stage["state"]] if stage["state"] == "done" else "",
        )
    return table


def _why(lines: Sequence[str]) -> list[str]:
    """A line for each reason; the stages before it that will run share one."""
    before = [found[1] for line in lines if (found := _UPSTREAM.fullmatch(line))]
    own = [printable(line) for line in lines if not _UPSTREAM.fullmatch(line)]
    return [*own, f"upstream {', '.join(before)} will run"] if before else own


def _totals(plan: Mapping[str, Any]) -> list[Text]:
    states = Counter(stage["state"] for stage in plan["stages"])
    parts = [f"{states['run'] + states['partial']} of {len(plan['stages'])} stages to run"]
    if states["blocked"]:
        parts.append(f"{states['blocked']} blocked")
    for name, unit in (("calls", " calls"), ("tokens", " tokens"), ("usd", " USD")):
        if plan[name][1]:
            parts.append(span(plan[name], WORDS[name]) + unit)
    parts.append(f"{span(plan['seconds'], duration) or duration(0)}")
    budget = plan["budget"]
    if budget is not None:
        parts.append(f"budget {budget:g} USD")
    lines = [Text(", ".join(parts), style="bold")]
    if budget is not None and not plan["over"] and plan["usd"][1] > budget:
        lines.append(
            Text("it may cost more than the budget: a run stops there, and can go on", style="yellow")
        )
    return lines


def _over(plan: Mapping[str, Any]) -> list[Text]:
    lines = []
    for problem in plan["over"]:
        place = f"{problem['span']['file']}:{problem['span']['line']}"
        lines.append(Text(printable(f"error[{problem['code']}]: {problem['message']} ({place})"), "bold red"))
        lines.append(Text(printable(f"  = help: {problem['help']['message']}")))
    return lines


def span(bounds: Sequence[float], word: Callable[[float], str]) -> str:
    """Both bounds in words, one where they read the same, nothing where there is nothing to do."""
    low, high = word(bounds[0]), word(bounds[1])
    if not bounds[1]:
        return ""
    return high if low == high else f"{low} … {high}"


def count(value: float) -> str:
    """At most three digits and a letter: 950, 12.3k, 4.5M."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.0f}"


def money(value: float) -> str:
    return "0" if not value else "< 0.01" if value < 0.01 else f"{value:.2f}"


def duration(seconds: float) -> str:
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.2g} {unit}"
    return f"{seconds:.0f} s" if seconds >= 1 or not seconds else "< 1 s"


WORDS: Mapping[str, Callable[[float], str]] = {
    "calls": lambda calls: f"{calls:.0f}",
    "tokens": count,
    "usd": money,
}
