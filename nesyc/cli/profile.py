"""`nesyc profile`: which rules take the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    KbOption,
    LimitOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
)
from nesyc.cli.output import print_result

if TYPE_CHECKING:
    from rich.console import RenderableType


def profile(
    kb: KbOption = None,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Run the rules once more, on a copy, and show the time, rounds and rows of each, the slowest first."""
    from nesyc.cli.query import opened
    from nesyc_runtime.kb.rules.profile import profile as measure

    with opened(spec, build, profile, param, kb) as (_, _, store):
        result = measure(store)
    result["truncated"] = bool(limit) and len(result["rules"]) > limit
    result["rules"] = result["rules"][: limit or None]
    print_result(result, _table(result), as_json=as_json, out=out)


def _table(result: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, side in (("rule", "left"), ("relation", "left"), ("ms", "right"), ("share", "right"),
                         ("rounds", "right"), ("rows", "right"), ("place", "left")):  # fmt: skip
        table.add_column(column, justify=side)  # type: ignore[arg-type]
    whole = max(result["seconds"], 1e-9)
    for rule in result["rules"]:
        table.add_row(
            Text(rule["rule"]), Text(rule["relation"]), f"{rule['seconds'] * 1000:.1f}",
            f"{rule['seconds'] / whole:.0%}", str(rule["rounds"]), str(rule["rows"]),
            Text(f"{rule['span']['file']}:{rule['span']['line']}", style="dim"),
        )  # fmt: skip
    ending = (
        f"{result['seconds'] * 1000:.1f} ms and {result['rounds']} rounds in all, on {result['engine']}; "
        f"{result['other'] * 1000:.1f} ms outside the rules"
    )
    return Group(table, Text(ending, style="dim"))
