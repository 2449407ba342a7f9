"""What the relations hold that a filter tests, by the columns it tests; read when a hit first asks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.expressions import relation_tests
from nesyc_runtime.kb.search.retrieval_rows import read_columns
from nesyc_runtime.kb.storage.store import Store

Held = frozenset[tuple[Any, ...]]


class Conditions(Mapping[str, Held]):
    """`Holds.lookup` -> the rows of its relation, cut to the columns that `where` gives."""

    def __init__(self, store: Store, where: config.ItemExpr | None) -> None:
        self._store = store
        self._tests = {test.lookup: test for test in (relation_tests(where) if where is not None else ())}
        self._held: dict[str, Held] = {}

    def __getitem__(self, lookup: str) -> Held:
        if lookup not in self._held:
            test = self._tests[lookup]
            self._held[lookup] = frozenset(read_columns(self._store, test.relation, test.places))
        return self._held[lookup]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tests)

    def __len__(self) -> int:
        return len(self._tests)
