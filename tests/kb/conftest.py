"""A compiled KB in memory, synchronised and evaluated."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nesyc.ir import nodes as ir
from nesyc_runtime.kb.storage.store import Store


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """`opened(kb, path=None)`: the store of an IR KB with its facts loaded and rules run; closed at the end."""
    from running import open_kb

    stores: list[Store] = []

    def run(kb: ir.Kb, path: Path | None = None) -> Store:
        stores.append(open_kb(kb, path))
        return stores[-1]

    yield run
    for store in stores:
        store.close()
