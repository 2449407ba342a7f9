"""The cache with room holds what transformers' own holds, whatever is done to it."""

from __future__ import annotations

import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from nesyc_runtime.inference.cache import SPARE, RoomyLayer, roomy_cache

STEPS = st.lists(
    st.one_of(st.integers(1, 40), st.lists(st.integers(0, 1), min_size=1, max_size=3)), min_size=1, max_size=9
)


@given(steps=STEPS, seed=st.integers(0, 99))
def test_it_holds_what_the_plain_layer_holds(steps: list[int | list[int]], seed: int) -> None:
    """A number: so many tokens more; a list: the rows that stay (a row may stay twice)."""
    generator = torch.Generator().manual_seed(seed)
    roomy, plain, rows = RoomyLayer(), DynamicLayer(), 2
    for step in steps:
        if isinstance(step, int):
            new = [torch.randn(rows, 3, step, width, generator=generator) for width in (4, 5)]
            for given_back, wanted in zip(roomy.update(*new), plain.update(*new), strict=True):
                assert torch.equal(given_back, wanted)
        else:
            kept = torch.tensor([row % rows for row in step])
            for layer in (roomy, plain):
                layer.batch_select_indices(kept)
            rows = len(kept) if plain.is_initialized else rows
        assert roomy.get_seq_length() == plain.get_seq_length()
        if plain.is_initialized:
            assert torch.equal(roomy.keys, plain.keys) and torch.equal(roomy.values, plain.values)


def test_a_token_more_copies_nothing_of_the_others() -> None:
    layer = RoomyLayer()
    layer.update(torch.zeros(2, 3, 10, 4), torch.zeros(2, 3, 10, 4))
    before = layer.keys.data_ptr(), layer.values.data_ptr()
    for _ in range(SPARE):
        layer.update(torch.ones(2, 3, 1, 4), torch.ones(2, 3, 1, 4))
    assert (layer.keys.data_ptr(), layer.values.data_ptr()) == before
    assert layer.keys[:, :, 10:].eq(1).all() and layer.keys[:, :, :10].eq(0).all()


def test_layers_with_a_window_stay_what_they_are() -> None:
    mixed = transformers.Gemma2Config(
        num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"]
    )
    window, whole = roomy_cache(mixed).layers
    assert type(whole) is RoomyLayer and type(window) is not RoomyLayer
