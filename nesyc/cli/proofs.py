"""Answers, proofs and failed rules as people read them; nothing in them can drive a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nesyc.diagnostics import counted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.tree import Tree


def query_table(result: Mapping[str, Any]) -> RenderableType:
    """The rows of a `query` object; a ground query answers yes or no."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    if not result["columns"]:
        return Text(f"yes  (confidence {result['rows'][0]['conf']:.4g})" if result["rows"] else "no")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*result["columns"], "conf"):
        table.add_column(Text(column))
    for row in result["rows"]:
        table.add_row(*(Text(_shown(value)) for value in row["values"]), Text(f"{row['conf']:.4g}"))
    rows = counted(result["total"], "row")
    shown = f"{len(result['rows'])} of {rows}" if result["truncated"] else rows
    return Group(table, Text(shown, style="dim"))


def why_tree(result: Mapping[str, Any]) -> RenderableType:
    """The proofs of a `why` object as trees, the best first."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(_headline(result), style="bold")]
    for number, proof in enumerate(result["proofs"], 1):
        parts += [Text(f"\nproof {number}, worth {proof['value']:.4g}", style="dim"), _tree(proof["tree"])]
    for loser in result.get("losers", ()):
        parts.append(Text(f"won over {_fact(loser['fact'])}, {loser['conf']:.4g}", style="dim"))
    if result["truncated"]:
        parts.append(Text("there are more proofs: raise --limit", style="dim"))
    return Group(*parts)


def whynot_text(result: Mapping[str, Any]) -> RenderableType:
    """The attempts of a `whynot` object, a paragraph a rule."""
    from rich.console import Group
    from rich.text import Text

    fact = _fact(result["fact"])
    if result["holds"]:
        return Text(f"{fact} holds: ask `nesyc why`")
    parts: list[RenderableType] = [Text(f"{fact} does not hold", style="bold")]
    if "winner" in result:
        winner = result["winner"]
        parts.append(Text(f"  it lost to {_fact(winner['fact'])}, {winner['conf']:.4g}"))
    elif not result["attempts"]:
        parts.append(Text("  no rule could give it, and no row says it"))
    for attempt in result["attempts"]:
        place = f"{attempt['span']['file']}:{attempt['span']['line']}"
        parts.append(Text(f"\nrule {attempt['rule']}  {_safe(place)}", style="dim"))
        parts.append(
            Text(
                f"  {attempt['matched']} of {attempt['of']} literals met, then failed: {_safe(attempt['literal'])}"
            )
        )
        if attempt["bindings"]:
            bindings = ", ".join(f"{name} = {_shown(value)}" for name, value in attempt["bindings"].items())
            parts.append(Text(f"  with {bindings}"))
        if "came_to" in attempt:
            value = attempt["came_to"]
            said = (
                "it has no value: nothing in its group has one"
                if value is None
                else f"it comes to {_shown(value)}"
            )
            parts.append(Text(f"  {said}"))
    return Group(*parts)


def _headline(result: Mapping[str, Any]) -> str:
    fact = _fact(result["fact"])
    sentence = f"  {_safe(result['fact']['text'])}" if result["fact"]["text"] else ""
    if result["holds"]:
        return f"{fact} holds, confidence {result['conf']:.4g}{sentence}"
    if "winner" in result:
        return f"{fact} lost to {_fact(result['winner']['fact'])}, {result['winner']['conf']:.4g}{sentence}"
    return f"{fact} does not hold: ask `nesyc whynot`"


def _tree(root: Mapping[str, Any]) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    tree = Tree(Text(_line(root)), guide_style="dim")
    todo = [(tree, child) for child in reversed(root["children"])]
    while todo:
        parent, node = todo.pop()
        branch = parent.add(Text(_line(node)))
        todo.extend((branch, child) for child in reversed(node["children"]))
    return tree


def _line(node: Mapping[str, Any]) -> str:
    if node["kind"] in ("rule", "fact"):
        source = f"  {_safe(node['origin']['source'])}" if node["origin"] else ""
        by = f", {node['origin']['by']}" if node["origin"] else ""
        rule = f"  by {node['rule']}" if node["rule"] else ""
        return f"{_fact(node['fact'])}  {node['conf']:.4g}{rule}{source}{by}"
    bindings = ", ".join(f"{name} = {_shown(value)}" for name, value in node["bindings"].items())
    return _safe(node["literal"]) + (f"  with {bindings}" if bindings else "")


def _fact(fact: Mapping[str, Any]) -> str:
    return f"{fact['relation']}({', '.join(_quoted(fact['args']))})"


def _quoted(values: Sequence[Any]) -> list[str]:
    return [_safe(json.dumps(value, ensure_ascii=False)) for value in values]


def _shown(value: Any) -> str:
    return _safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _safe(text: str) -> str:
    from nesyc_runtime.files import printable

    return printable(text.replace("\n", " "), 400)
