"""The compiler on generated specs: check and compile, how they grow, memory, and one edit in an editor.

The peer is Lark's own LALR(1) parser with its contextual lexer over the same grammar and text, making a bare tree.
"""

from __future__ import annotations

import math
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.clock import cpu
from bench.tables import Figure
from nesyc.parsing.parse import parse_file
from nesyc.parsing.tables import grammar_path
from nesyc.pipeline import compile_spec
from nesyc.workspace import Workspace, check_spec

RULES, RELATIONS = 10_000, 500
SIZES = (1_000, 2_000, 4_000, 8_000, 16_000)
PEAK = """
import re, sys
from pathlib import Path
from nesyc.pipeline import check_spec, compile_spec
spec = Path(sys.argv[1])
found = compile_spec(spec, Path(sys.argv[2])) if sys.argv[2:] else check_spec(spec)
assert not any(one.severity == "error" for one in found.diagnostics)
# ru_maxrss would count what the process was forked from.
print(int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def generate(rules: int, relations: int = RELATIONS, seed: int = 0) -> str:
    """A spec with so many rules of 2 to 6 literals (4 on average): chains over earlier relations, half of them stored."""
    choose = random.Random(seed)
    stored = relations // 2
    width = [choose.choice((2, 2, 3)) for _ in range(relations)]
    lines = ["nesy 1", "kb big {"]
    for number in range(relations):
        columns = ", ".join(f"c{place}: text" for place in range(width[number]))
        lines.append(f"  {'relation' if number < stored else 'derived '} r{number}({columns})")
    for number in range(rules):
        head = stored + number % (relations - stored)
        size = choose.choice((2, 3, 4, 5, 6))
        body = []
        for place in range(size):
            read = choose.randrange(head) if choose.random() < 0.5 else choose.randrange(stored)
            more = ", _" * (width[read] - 2)
            body.append(f"r{read}(v{place}, v{place + 1}{more})")
        first = ", v0" * (width[head] - 2)
        lines.append(f"  rule rule_{number}: r{head}(v0, v{size}{first}) :- {', '.join(body)};")
    return "\n".join([*lines, "}", ""])


def run() -> list[Figure]:
    """Figures for 10,000 rules, the exponents from 1,000 to 16,000, and one rule edited."""
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "big.nesy")
        text = generate(RULES)
        spec.write_text(text, encoding="utf-8")
        return [
            _parsing(text),
            Figure("check, 10,000 rules", cpu(lambda: check_spec(spec), 1), "CPU s", 10, "the limit we set"),
            Figure("compile, 10,000 rules", _compile(spec), "CPU s", 20, "the limit we set"),
            Figure("peak memory of a check", _peak(spec), "MiB", 600, "the limit we set"),
            Figure("peak memory of a compilation", _peak(spec, Path(folder)), "MiB", 600, "the limit we set"),
            *_editing(spec, text),
            *_growth(Path(folder)),
        ]


def _parsing(text: str) -> Figure:
    from lark import Lark

    lark = Lark(grammar_path().read_text(encoding="utf-8"), parser="lalr", start="file")
    peer = cpu(lambda: lark.parse(text), 1)
    parse_file("big.nesy", text)
    return Figure(
        "parse, 10,000 rules", cpu(lambda: parse_file("big.nesy", text), 1), "CPU s", peer, "plain Lark"
    )


def _compile(spec: Path) -> float:
    """A build from nothing: compiling into a folder that has it already would only compare hashes."""
    with tempfile.TemporaryDirectory() as build:
        return cpu(lambda: compile_spec(spec, Path(build)), 1)


def _peak(*arguments: Path) -> float:
    found = subprocess.run(
        [sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True
    )
    return float(found.stdout)


def _editing(spec: Path, text: str) -> Iterator[Figure]:
    """As a language server checks: rules are edited one after the other; in between each is broken for one key."""
    pairs = list(_edits(text))
    typed = _seconds(spec, [text, *(one for pair in pairs for one in pair)])
    whole = _seconds(spec, [text, *(mended for _, mended in pairs)])
    for what, seconds in (
        ("check after an edit of one rule", max(whole[1:])),
        ("check after the first key that breaks a rule", typed[1]),
        ("check after each further key", max(typed[2:])),
    ):
        yield Figure(what, seconds, "CPU s", 0.3, "the limit we set")


def _seconds(spec: Path, texts: Iterable[str]) -> list[float]:
    workspace = Workspace(spec)
    seconds = []
    for text in texts:
        unsaved = {spec: text}
        seconds.append(cpu(lambda unsaved=unsaved: workspace.check(unsaved), 1))  # type: ignore[misc]
    return seconds


def _edits(text: str, edits: int = 8) -> Iterator[tuple[str, str]]:
    """The text with one more literal in another rule each time, its last bracket missing at first."""
    for number in range(edits):
        end = text.index(";", text.index(f"rule rule_{(number + 1) * RULES // (edits + 1)}:"))
        before, behind = f"{text[:end]}, r{number}(v0, _", text[end:]
        text = f"{before}){behind}"
        yield before + behind, text


def _growth(folder: Path) -> Iterator[Figure]:
    checks, compiles = [], []
    for size in SIZES:
        spec = folder / f"rules{size}.nesy"
        spec.write_text(generate(size), encoding="utf-8")
        checks.append(cpu(lambda spec=spec: check_spec(spec), 1))  # type: ignore[misc]
        compiles.append(_compile(spec))
    for what, seconds in (("check", checks), ("compile", compiles)):
        shown = ", ".join(f"{one:.2g}" for one in seconds)
        yield Figure(f"{what}: exponent over size ({shown} s)", _slope(seconds), "", 1.15, "the limit we set")


def _slope(seconds: Sequence[float]) -> float:
    """The slope of a line through the logarithms, by least squares."""
    xs, ys = [math.log(size) for size in SIZES], [math.log(one) for one in seconds]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / sum((a - x) ** 2 for a in xs)
