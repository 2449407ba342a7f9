"""Where the time of an evaluation goes: the rules run once more from nothing, on a copy in memory, each one timed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.storage.copies import copied
from nesyc_runtime.kb.storage.program import Statement
from nesyc_runtime.kb.storage.store import Store


@dataclass(slots=True)
class _Work:
    """What one statement did: seconds, how often it ran, rows it added or made surer."""

    seconds: float = 0.0
    runs: int = 0
    rows: int = 0


@dataclass(slots=True)
class _Watch:
    """The statements of the rules by their text, and what they did."""

    statements: Mapping[str, Statement]
    work: dict[str, _Work] = field(default_factory=dict)


class _Watched(Store):
    """A store that times the statements of its rules."""

    watch: _Watch

    def execute(self, sql: str, parameters: Mapping[str, Any] | Iterable[Any] = ()) -> Any:
        statement = self.watch.statements.get(sql)
        if statement is None:
            return super().execute(sql, parameters)
        changes, start = self.connection.total_changes, perf_counter()
        found = super().execute(sql, parameters)
        work = self.watch.work.setdefault(statement.name, _Work())
        work.seconds += perf_counter() - start
        work.runs += 1
        work.rows += 0 if statement.intern else self.connection.total_changes - changes
        return found


def profile(store: Store) -> dict[str, Any]:
    """The `profile` object: seconds, rounds and rows of every rule, the slowest first. The store is not changed.

    SQLite runs the rules, whichever engine derived what the store holds. `rows` counts a row again each time its
    confidence got better; `rounds` are those in which the rule had something new to read.
    """
    watched = _watched(copied(store))
    try:
        start = perf_counter()
        rounds = evaluate(watched).rounds
        seconds = perf_counter() - start
    finally:
        watched.close()
    rules = [_rule(rule, watched) for rule in store.kb.rules if rule.active]
    rules.sort(key=lambda one: (-one["seconds"], one["rule"]))
    return {
        "v": 1,
        "kb": store.kb.name,
        "engine": "sqlite",
        "seconds": seconds,
        "rounds": rounds,
        "rules": rules,
        "other": max(0.0, seconds - sum(one["seconds"] for one in rules)),
    }


def _watched(copy: Store) -> _Watched:
    watched = _Watched(copy.connection, copy.kb, copy.program, None)
    watched.watch = _Watch({one.sql: one for one in copy.program.statements.values() if one.rule})
    return watched


def _rule(rule: config.Rule, watched: _Watched) -> dict[str, Any]:
    own = [s.name for s in watched.program.statements.values() if s.rule == rule.name]
    done = [watched.watch.work[name] for name in own if name in watched.watch.work]
    return {
        "rule": rule.name,
        "relation": rule.head.relation,
        "span": rule.location.model_dump(),
        "seconds": sum(work.seconds for work in done),
        "rounds": max((work.runs for work in done), default=0),
        "rows": sum(work.rows for work in done),
    }
