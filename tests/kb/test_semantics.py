"""The engine against the definition, on random programs, under each confidence semantics."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracle import evaluate as oracle
from programs import programs
from running import derived, open_kb

from nesyc.ir import nodes as ir

MANY = 5000 if os.environ.get("NESYC_FUZZ") else 150


def agree(kb: ir.Kb) -> None:
    store = open_kb(kb)
    try:
        found = derived(store, kb)
    finally:
        store.close()
    world = oracle(kb)
    wanted = {(name, row): world.conf[name, row] for name, rows in world.seen.items() for row in rows}
    assert found.keys() == wanted.keys()
    for one, value in wanted.items():
        assert found[one] == pytest.approx(value, abs=1e-12), one


slow_enough = settings(
    max_examples=MANY, deadline=None, suppress_health_check=list(HealthCheck), derandomize=MANY == 150
)


@slow_enough
@given(programs("boolean"))
def test_boolean(kb: ir.Kb) -> None:
    agree(kb)


@slow_enough
@given(programs("max_min"))
def test_max_min(kb: ir.Kb) -> None:
    agree(kb)


@slow_enough
@given(programs("max_product"))
def test_max_product(kb: ir.Kb) -> None:
    agree(kb)


@slow_enough
@given(st.integers(1, 5).flatmap(lambda k: programs("top_proofs", k)))
def test_top_proofs(kb: ir.Kb) -> None:
    agree(kb)
