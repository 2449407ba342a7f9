"""The rule engine beside hand-written SQL of DuckDB and SQLite, clingo, and Souffle where it is installed.

CPU seconds of this process, all threads, from a closed store that holds the facts to a derived relation that can be asked for, least of
several runs for the small. Every peer finds the same number of facts, or the benchmark fails.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from bench.clock import within
from bench.rule_tasks.ours import Ours
from bench.rule_tasks.peers import Clingo, Duck, Sqlite, souffle_seconds
from bench.rule_tasks.tasks import TASKS, Facts, Task, graph
from bench.tables import Figure

RUNS, SPENT = 7, 2.0  # runs are made again, at most so often, until the slowest took so many CPU seconds ...
AGAIN = 15.0  # ... and where one run takes less than this, twice at least
LIMIT = 120.0  # seconds for a peer that may take very long, all its runs together


def run(*, quick: bool = False) -> list[Figure]:
    """Cold evaluation of every task at three sizes, growth, confidence, and a change of ten edges.

    About five minutes of CPU time; `quick` leaves the largest sizes out and takes two.
    """
    _warm_up()
    many = 2 if quick else 3
    figures: list[Figure] = []
    for task in TASKS:
        figures += _cold(replace(task, sizes=task.sizes[:many]))
    closure = replace(TASKS[1], sizes=TASKS[1].sizes[:many])
    return [*figures, *_confidence(closure), *_change(closure)]


def _cold(task: Task) -> list[Figure]:
    figures: list[Figure] = []
    grown: dict[str, list[float]] = {}
    for size in task.sizes:
        facts = task.facts(size)
        what = f"{task.name}, {size}"
        (auto, rows), (duck, by_duck) = measure(
            lambda folder, f=facts: Ours(task, f, folder),
            lambda folder, f=facts: Duck(task, f, folder),
        )
        (plain, same), (hand, by_hand) = measure(
            lambda folder, f=facts: Ours(task, f, folder, "sqlite"),
            lambda folder, f=facts: Sqlite(task, f, folder),
        )
        asp, by_asp = within(LIMIT, _clingo, task, facts) or (LIMIT, rows)
        assert rows == same == by_duck == by_hand == by_asp, (what, rows, same, by_duck, by_hand, by_asp)
        clingo = "clingo" if asp < LIMIT else f"clingo, over {LIMIT:g} s"
        figures += [
            Figure(f"{what} ({rows} rows): auto", auto, "CPU s", duck, "DuckDB by hand"),
            Figure(f"{what}: auto", auto, "CPU s", asp, clingo),
            Figure(f"{what}: sqlite", plain, "CPU s", hand, "SQLite by hand"),
        ]
        with tempfile.TemporaryDirectory() as folder:
            souffle = souffle_seconds(task, facts, Path(folder))
        if souffle is not None:
            figures.append(Figure(f"{what}: auto", auto, "CPU s", souffle, "Souffle, compiled"))
        for name, seconds in (("auto", auto), ("sqlite", plain), ("DuckDB", duck), ("SQLite", hand)):
            grown.setdefault(name, []).append(seconds)
    for ours, peer in (("auto", "DuckDB"), ("sqlite", "SQLite")):
        values = (_exponent(task.sizes, grown[name]) for name in (ours, peer))
        figures.append(
            Figure(f"{task.name}, growth: {ours}", next(values), "exponent", next(values), f"{peer} by hand")
        )
    return figures


def _clingo(task: Task, facts: Facts) -> tuple[float, int]:
    """Clingo's time and rows, measured in a process of its own."""
    return measure(lambda folder: Clingo(task, facts, folder))[0]


def _confidence(task: Task) -> list[Figure]:
    """`max_product` with confidences uniform in [0.5, 1], beside boolean on the same engine."""
    figures = []
    for engine in ("sqlite", "duckdb"):
        for size in task.sizes[:2]:
            facts = task.facts(size)
            (weighted, rows), (plain, same) = measure(
                lambda folder, f=facts, e=engine: Ours(task, f, folder, e, "max_product"),
                lambda folder, f=facts, e=engine: Ours(task, f, folder, e),
            )
            assert rows == same
            figures.append(
                Figure(f"max_product, {task.name}, {size}: {engine}", weighted, "CPU s", plain, "boolean")
            )
    return figures


def _change(task: Task) -> list[Figure]:
    """Ten edges more, then ten less, in a finished closure, beside deriving it again."""
    figures = []
    for size in task.sizes:
        facts = task.facts(size)
        more, less = _edges(facts, size)
        after = sorted({*facts["e"], *more["e"]})
        ((duck, rows),) = measure(lambda folder, f={"e": after}: Duck(task, f, folder))
        for engine in ("sqlite", "auto"):
            with tempfile.TemporaryDirectory() as folder:
                ours = Ours(task, facts, Path(folder), engine)
                ours.derive()
                added = _cpu(partial(ours.change, more, {}))
                assert ours.count() == rows
                taken = _cpu(partial(ours.change, {}, less))
                left = {"e": sorted(set(after) - set(less["e"]))}
                ((again, same),) = measure(lambda folder, f=left, e=engine: Ours(task, f, folder, e))
                assert ours.count() == same
                ours.close()
            figures += [
                Figure(f"10 edges more, {size}: {engine}", added, "CPU s", duck, "DuckDB derives again"),
                Figure(f"10 edges less, {size}: {engine}", taken, "CPU s", again, "derived again"),
            ]
    return figures


def _edges(facts: Facts, size: int) -> tuple[Facts, Facts]:
    """Ten edges that are not there yet and ten that are."""
    random, known = Random(7), set(facts["e"])
    more: set[tuple[int, ...]] = set()
    while len(more) < 10:
        edge = (random.randrange(size), random.randrange(size))
        if edge not in known:
            more.add(edge)
    return {"e": sorted(more)}, {"e": random.sample(sorted(known), 10)}


def measure(*makes: Callable[[Path], Any]) -> list[tuple[float, int]]:
    """Of each: the least CPU seconds of `derive`, and how many rows it gave.

    They take turns, so that a busy moment hits all of them, forwards and backwards, so that what one leaves in the caches
    serves its neighbours on both sides. All run equally often: the least of more runs is less.
    """
    seconds: list[list[float]] = [[] for _ in makes]
    rows = [0] * len(makes)
    order = list(range(len(makes)))
    for turn in range(RUNS):
        for number in order:
            with tempfile.TemporaryDirectory() as folder:
                made = makes[number](Path(folder))
                seconds[number].append(_cpu(made.derive))
                rows[number] = made.count()
                made.close()
        order.reverse()
        slowest = max(map(sum, seconds))
        if slowest >= AGAIN or (slowest >= SPENT and turn > 0):
            break
    return [(min(spent), found) for spent, found in zip(seconds, rows, strict=True)]


def _cpu(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _exponent(sizes: tuple[int, ...], seconds: list[float]) -> float:
    """The growth of time with size, by least squares on the logarithms."""
    xs, ys = [math.log(size) for size in sizes], [math.log(max(value, 1e-4)) for value in seconds]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True))
    return over / sum((x - mean_x) ** 2 for x in xs)


def _warm_up() -> None:
    """Import what each engine needs; every process does that once."""
    task, facts = TASKS[1], graph(30)
    measure(lambda folder: Ours(task, facts, folder, "duckdb"))
