"""The LALR(1) tables of grammar/nesy.lark: computed by Lark, kept as JSON in the user's cache folder.

JSON and not pickle, so that a file somebody planted can at worst be refused; and Lark itself is
imported only when no table is cached, which is most of a cold start's time.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from nesyc.parsing import cache as files

FORMAT = 2
STARTS = (
    "file",
    "declaration",
    "setting_part",
    "dataset_part",
    "task_part",
    "kb_part",
    "evaluate_part",
    "test_part",
    "stage_part",
    "query",
    "fact",
)


@dataclass(frozen=True, slots=True)
class Production:
    """One rule of the grammar as the parser needs it.

    `builder` names the function that makes its node; it is "" where the only child is passed on and
    "_" where the children melt into the rule above. `children` are indices into the right-hand side,
    None for an optional part that is absent; those in `melted` are lists to be spliced in.
    """

    origin: str
    builder: str
    size: int
    children: tuple[int | None, ...]
    melted: frozenset[int]


@dataclass(frozen=True, slots=True)
class Tables:
    """`rows[state][symbol]` is the next state, or `-1 - production` for a reduction."""

    rows: tuple[dict[str, int], ...]
    productions: tuple[Production, ...]
    starts: dict[str, int]
    ends: dict[str, int]
    words: dict[str, str]
    """A fixed spelling (keyword or sign) and its terminal."""
    patterns: dict[str, str]
    """A terminal and its regular expression, in the order they are to be tried."""
    ignored: frozenset[str]


def grammar_path() -> Path:
    """grammar/nesy.lark: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "grammar" / "nesy.lark"
    return inside if inside.is_file() else package.parent / "grammar" / "nesy.lark"


@cache
def load_tables() -> Tables:
    """The tables, from the cache where it holds those of this very grammar, Lark and Python."""
    grammar = grammar_path().read_bytes()
    python = ".".join(map(str, sys.version_info[:2]))
    key = hashlib.sha256(b"\0".join((grammar, _lark_version(), f"{FORMAT} {python}".encode()))).hexdigest()
    name = f"tables-{key[:24]}.json"
    stored = files.read(name)
    if stored is not None:
        try:
            return _decode(json.loads(stored))
        except (ValueError, KeyError, TypeError, IndexError):
            pass  # a damaged file is written anew below
    data = _compute(grammar.decode())
    files.write(name, json.dumps(data, separators=(",", ":")).encode())
    return _decode(data)


def _lark_version() -> bytes:
    """What tells Lark's versions apart: its first file. (importlib.metadata takes longer than all the rest.)"""
    found = find_spec("lark")
    return Path(found.origin).read_bytes() if found is not None and found.origin else b""


def _compute(grammar: str) -> dict[str, Any]:
    from lark import Lark
    from lark.grammar import Rule
    from lark.lexer import Lexer, TerminalDef

    class NoLexer(Lexer):
        """nesyc brings its own lexer; Lark only computes the tables."""

        def __init__(self, conf: object) -> None: ...

        def lex(self, lexer_state: object, parser_state: object) -> Any:
            return iter(())

    # `strict` refuses a grammar with a conflict, where Lark would otherwise choose in silence.
    parser = Lark(
        grammar, parser="lalr", lexer=NoLexer, strict=True, start=list(STARTS), maybe_placeholders=True
    )
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    table = data["parser"]["parser"]
    numbers = {item["@"]: place for place, item in enumerate(data["rules"])}
    graph = {
        state: {
            table["tokens"][token]: -1 - numbers[target["@"]] if reduces else target
            for token, (reduces, target) in sorted(actions.items(), key=lambda item: table["tokens"][item[0]])
        }
        for state, actions in table["states"].items()
    }
    rows, order = _numbered(graph, [table["start_states"][start] for start in STARTS])
    symbols = sorted({symbol for row in rows for symbol in row})
    places = {symbol: place for place, symbol in enumerate(symbols)}
    return {
        "symbols": symbols,
        "rows": [[part for symbol, to in row.items() for part in (places[symbol], to)] for row in rows],
        "productions": [_production(memo[item["@"]]) for item in data["rules"]],
        "starts": {start: order[table["start_states"][start]] for start in STARTS},
        "ends": {start: order[table["end_states"][start]] for start in STARTS},
        **_terminals([memo[item["@"]] for item in data["parser"]["lexer_conf"]["terminals"]]),
        "ignored": list(data["parser"]["lexer_conf"]["ignore"]),
    }


def _numbered(
    graph: dict[int, dict[str, int]], starts: list[int]
) -> tuple[list[dict[str, int]], dict[int, int]]:
    """The states in the order they are reached from `starts`, and each one's new number.

    Lark numbers them in the order of its sets, which differs from run to run.
    """
    order = {state: place for place, state in enumerate(dict.fromkeys(starts))}
    reached = list(order)
    for state in reached:
        for target in graph[state].values():
            if target >= 0 and target not in order:
                order[target] = len(order)
                reached.append(target)
    rows = [
        {symbol: order[target] if target >= 0 else target for symbol, target in graph[state].items()}
        for state in reached
    ]
    return rows, order


def _terminals(defined: list[dict[str, Any]]) -> dict[str, Any]:
    fixed = [item for item in defined if item["pattern"]["__type__"] == "PatternStr"]
    free = [item for item in defined if item["pattern"]["__type__"] == "PatternRE"]
    free.sort(key=lambda item: (-item["priority"], item["name"]))
    return {
        "words": {item["pattern"]["value"]: item["name"] for item in fixed},
        "patterns": {item["name"]: item["pattern"]["value"] for item in free},
    }


def _production(rule: dict[str, Any]) -> list[Any]:
    origin, options = rule["origin"]["name"], rule["options"]
    absent = [len(run) for run in "".join(str(int(empty)) for empty in options["empty_indices"]).split("0")]
    children: list[int | None] = []
    melted: list[int] = []
    for place, symbol in enumerate(rule["expansion"]):
        if options["empty_indices"]:
            children += [None] * absent[place]
        terminal = symbol["__type__"] == "Terminal"
        if terminal and symbol["filter_out"]:
            continue
        if not terminal and symbol["name"].startswith("_"):
            melted.append(place)
        children.append(place)
    if options["empty_indices"]:
        children += [None] * absent[-1]
    builder = rule["alias"] or ("_" if origin.startswith("_") else origin)
    if options["expand1"] and not rule["alias"]:
        assert len(children) == 1 and not melted, f"`?{origin}` must have one child in each alternative"
        builder = ""
    return [origin, builder, len(rule["expansion"]), children, melted]


def _decode(data: dict[str, Any]) -> Tables:
    symbols = data["symbols"]
    return Tables(
        rows=tuple(
            {symbols[s]: to for s, to in zip(row[::2], row[1::2], strict=True)} for row in data["rows"]
        ),
        productions=tuple(
            Production(origin, builder, size, tuple(children), frozenset(melted))
            for origin, builder, size, children, melted in data["productions"]
        ),
        starts=data["starts"],
        ends=data["ends"],
        words=data["words"],
        patterns=data["patterns"],
        ignored=frozenset(data["ignored"]),
    )
