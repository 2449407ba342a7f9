"""Tables of results, for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nesyc_runtime.files import printable


def results_tables(results: Mapping[str, Any]) -> RenderableType:
    """Scores, comparisons, requirements and stages of a results object."""
    parts: list[RenderableType] = [*substitution_notes(results)]
    if results["scores"]:
        parts += [_scores(results["scores"]), Text("")]
    if results["compare"]:
        parts += [_compare(results["compare"]), Text("")]
    for require in results["require"]:
        sign, style = ("holds", "green") if require["ok"] else ("FAILS", "bold red")
        sides = f"{_number(require['left'])} against {_number(require['right'])}"
        parts.append(Text(f"require {printable(require['text'])}: {sign} ({sides})", style=style))
    parts.append(_stages(results["stages"]))
    return Group(*parts)


def _scores(scores: Sequence[Mapping[str, Any]]) -> Table:
    table = table_of("evaluate", "split", "student", "metric", "value", "95 % interval", "lenient", "n")
    for score in scores:
        if score["seed"] is not None:
            continue
        metric = score["metric"] + (f" [{score['group']}]" if score["group"] is not None else "")
        split = f"{score['dataset']}.{score['split']}"
        interval = f"{_number(score['low'])} … {_number(score['high'])}" if score["low"] is not None else ""
        table.add_row(
            *cells(
                score["evaluate"],
                split,
                score["student"],
                metric,
                _number(score["value"]),
                interval,
                _number(score["lenient"]) if score["lenient"] is not None else "",
                str(score["n"]),
            )
        )
    return table


def _compare(compare: Sequence[Mapping[str, Any]]) -> Table:
    table = table_of("evaluate", "student", "against", "metric", "difference", "95 % interval", "p")
    for pair in compare:
        table.add_row(
            *cells(
                str(pair.get("evaluate", "")),
                pair["a"],
                pair["b"],
                pair["metric"],
                f"{pair['delta']:+.3f}",
                f"{pair['low']:+.3f} … {pair['high']:+.3f}",
                f"{pair['p']:.3g}",
            )
        )
    return table


def _stages(stages: Sequence[Mapping[str, Any]]) -> Table:
    table = table_of("stage", "in", "kept", "dropped", "calls", "tokens", "USD", "seconds")
    for stage in stages:
        dropped = ", ".join(f"{count} {reason}" for reason, count in stage["dropped"].items())
        table.add_row(
            *cells(
                stage["name"],
                str(stage["rows_in"]),
                str(stage["kept"]),
                dropped,
                str(stage["calls"]),
                str(stage["tokens"]),
                f"{stage['usd']:.4f}",
                f"{stage['seconds']:.1f}",
            )
        )
    return table


def substitution_notes(value: Mapping[str, Any]) -> list[RenderableType]:
    return [
        Text(
            printable(
                f"note: teacher {s['teacher']} is not set up ({', '.join(s['variables'])} unset): "
                f"{s['fallback']} stood in for it"
            ),
            style="yellow",
        )
        for s in value.get("substitutions", ())
    ]


def table_of(*columns: str) -> Table:
    numeric = {
        "calls",
        "tokens",
        "USD",
        "seconds",
        "time",
        "value",
        "lenient",
        "n",
        "in",
        "kept",
        "difference",
        "p",
    }
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, justify="right" if column in numeric else "left", overflow="fold")
    return table


def cells(*texts: str) -> list[Text]:
    return [Text(printable(text, 300)) for text in texts]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
