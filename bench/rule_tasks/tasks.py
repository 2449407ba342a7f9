"""The tasks: a rule program, facts of three sizes, and how a person would write it for SQLite, DuckDB and clingo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from random import Random

Rows = list[tuple[int, ...]]
Facts = Mapping[str, Rows]


@dataclass(frozen=True)
class Task:
    """`rules` in the language, over stored relations of number-named texts; `goal` is the relation that counts.

    `columns` of each relation; `facts` of a size. `seminaive` is the recursive step as SQL over rows `(lo, hi]` of `goal`,
    and `base` what comes before; both by hand, with the indexes they need. `duckdb` makes the table `goal`.
    """

    name: str
    sizes: tuple[int, ...]
    facts: Callable[[int], Facts]
    columns: Mapping[str, tuple[str, ...]]
    derived: Mapping[str, tuple[str, ...]]
    rules: str
    goal: str
    base: tuple[str, ...]
    seminaive: str | None
    finish: tuple[str, ...]
    duckdb: tuple[str, ...]
    clingo: str


def chain(n: int) -> Facts:
    return {"e": [(i, i + 1) for i in range(n)]}


def graph(n: int) -> Facts:
    """A random graph: twice as many edges as nodes."""
    random, edges = Random(n), set()
    while len(edges) < 2 * n:
        edges.add((random.randrange(n), random.randrange(n)))
    return {"e": sorted(edges)}


def graph_and_nodes(n: int) -> Facts:
    return {**graph(n), "node": [(i,) for i in range(n)]}


def layers(n: int) -> Facts:
    """People in ten generations, each with two parents of the one before."""
    random, width = Random(n), n // 10
    rows = {
        (child, (layer - 1) * width + random.randrange(width))
        for layer in range(1, 10)
        for child in range(layer * width, (layer + 1) * width)
        for _ in range(2)
    }
    return {"par": sorted(rows)}


def families(n: int) -> Facts:
    """`n` parent facts: couples with three children, who marry at random."""
    random = Random(n)
    rows: Rows = []
    generation, fresh = list(range(n // 40)), n // 40
    while len(rows) < n:
        random.shuffle(generation)
        children = []
        for mother, father in pairwise(generation[: len(generation) // 2 * 2]):
            if (mother + father) % 2:
                continue
            for _ in range(3):
                rows += [(fresh, mother), (fresh, father)]
                children.append(fresh)
                fresh += 1
        generation = children if len(children) > 10 else list(range(fresh, fresh := fresh + n // 40))
    return {"par": sorted(set(rows[:n]))}


CLOSURE = "rule one: tc(x, y) :- e(x, y); rule more: tc(x, z) :- tc(x, y), e(y, z);"
TC_SQL = (
    "WITH RECURSIVE tc(a, b) AS (SELECT a, b FROM e UNION SELECT tc.a, e.b FROM tc JOIN e ON e.a = tc.b) "
    "SELECT * FROM tc"
)
TC_STEP = "INSERT OR IGNORE INTO tc (a, b) SELECT t.a, e.b FROM tc AS t CROSS JOIN e ON e.a = t.b"
TC_BASE = ("CREATE TABLE tc (a INTEGER, b INTEGER, UNIQUE (a, b))", "INSERT INTO tc SELECT a, b FROM e")
TC_CLINGO = "tc(X,Y) :- e(X,Y). tc(X,Z) :- tc(X,Y), e(Y,Z)."
AB = ("a", "b")


def closure(name: str, sizes: tuple[int, ...], facts: Callable[[int], Facts]) -> Task:
    return Task(
        name, sizes, facts, {"e": AB}, {"tc": AB}, CLOSURE, "tc", TC_BASE, TC_STEP, (),
        (f"CREATE TABLE tc AS {TC_SQL}",), TC_CLINGO,
    )  # fmt: skip


SIBLING = "SELECT DISTINCT x.a, y.a AS b FROM par AS x JOIN par AS y ON y.b = x.b WHERE x.a <> y.a"
UNCLE = "SELECT DISTINCT p.a, s.b FROM par AS p JOIN sibling AS s ON s.a = p.b"
COUSIN = "SELECT DISTINCT u.a, p.a AS b FROM uncle AS u JOIN par AS p ON p.b = u.b"

TASKS = (
    closure("closure of a chain", (500, 1000, 2000), chain),
    closure("closure of a random graph", (1000, 2000, 4000), graph),
    Task(
        "same generation", (500, 1000, 2000), layers, {"par": AB}, {"sg": AB},
        "rule one: sg(x, y) :- par(x, p), par(y, p); rule more: sg(x, y) :- par(x, a), sg(a, b), par(y, b);", "sg",
        ("CREATE INDEX up ON par (b, a)", "CREATE TABLE sg (a INTEGER, b INTEGER, UNIQUE (a, b))",
         "INSERT OR IGNORE INTO sg SELECT x.a, y.a FROM par AS x JOIN par AS y ON y.b = x.b"),
        "INSERT OR IGNORE INTO sg (a, b) SELECT x.a, y.a FROM sg AS t CROSS JOIN par AS x ON x.b = t.a "
        "CROSS JOIN par AS y ON y.b = t.b",
        (),
        ("CREATE TABLE sg AS WITH RECURSIVE sg(a, b) AS (SELECT x.a, y.a FROM par AS x JOIN par AS y ON y.b = x.b "
         "UNION SELECT x.a, y.a FROM sg JOIN par AS x ON x.b = sg.a JOIN par AS y ON y.b = sg.b) SELECT * FROM sg",),
        "sg(X,Y) :- par(X,P), par(Y,P). sg(X,Y) :- par(X,A), sg(A,B), par(Y,B).",
    ),
    Task(
        "kinship, three joins", (10_000, 30_000, 100_000), families, {"par": AB},
        {"sibling": AB, "uncle": AB, "cousin": AB},
        "rule s: sibling(a, b) :- par(a, p), par(b, p), a != b; rule u: uncle(a, u) :- par(a, p), sibling(p, u); "
        "rule c: cousin(a, b) :- uncle(a, u), par(b, u);", "cousin",
        ("CREATE INDEX up ON par (b, a)",
         *(f"CREATE TABLE {name} (a INTEGER, b INTEGER, UNIQUE (a, b))" for name in ("sibling", "uncle", "cousin")),
         f"INSERT INTO sibling {SIBLING}", f"INSERT INTO uncle {UNCLE}", f"INSERT INTO cousin {COUSIN}"),
        None, (),
        (f"CREATE TABLE sibling AS {SIBLING}", f"CREATE TABLE uncle AS {UNCLE}", f"CREATE TABLE cousin AS {COUSIN}"),
        "sibling(A,B) :- par(A,P), par(B,P), A != B. uncle(A,U) :- par(A,P), sibling(P,U). "
        "cousin(A,B) :- uncle(A,U), par(B,U).",
    ),
    Task(
        "negation over a closure", (300, 600, 1200), graph_and_nodes, {"e": AB, "node": ("a",)}, {"tc": AB, "far": AB},
        f"{CLOSURE} rule far: far(x, y) :- node(x), node(y), not tc(x, y);", "far", TC_BASE, TC_STEP,
        ("CREATE TABLE far (a INTEGER, b INTEGER, UNIQUE (a, b))",
         "INSERT INTO far SELECT x.a, y.a FROM node AS x CROSS JOIN node AS y "
         "WHERE NOT EXISTS (SELECT 1 FROM tc WHERE tc.a = x.a AND tc.b = y.a)"),
        (f"CREATE TABLE tc AS {TC_SQL}",
         "CREATE TABLE far AS SELECT x.a, y.a AS b FROM node AS x, node AS y "
         "WHERE NOT EXISTS (SELECT 1 FROM tc WHERE tc.a = x.a AND tc.b = y.a)"),
        f"{TC_CLINGO} far(X,Y) :- node(X), node(Y), not tc(X,Y).",
    ),
)  # fmt: skip
