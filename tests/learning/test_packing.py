"""Packed sequences: none sees another, and when they are packed at all."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from tiny_student import tiny

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.batches import Layout, Steps, step_batch
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.heads import last_states
from nesyc_runtime.learning.layouts import WIDE, alike_share, choose_layout, padding_share, prepare
from nesyc_runtime.learning.optimizers import train_options
from nesyc_runtime.learning.prefixes import Segment
from nesyc_runtime.learning.segments import attend_in_segments, cannot_pack, reads_apart, segment_inputs

SIZES: dict[str, Any] = {
    "vocab_size": 120, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 256,
}  # fmt: skip
FAMILIES = {
    "llama": (transformers.LlamaConfig, {}),
    "qwen2": (transformers.Qwen2Config, {}),
    "qwen3": (transformers.Qwen3Config, {"head_dim": 8}),
    "mistral": (transformers.MistralConfig, {"sliding_window": 64}),
    "phi3": (transformers.Phi3Config, {"pad_token_id": 0}),
    "gpt2": (transformers.GPT2Config, {"n_embd": 32, "n_layer": 2, "n_head": 4}),
    "opt": (transformers.OPTConfig, {"ffn_dim": 48, "word_embed_proj_dim": 32}),
}


def family(name: str) -> Any:
    make, more = FAMILIES[name]
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(make(**{**SIZES, **more})).eval()


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_that_reads_apart_keeps_every_other_sequence_out(name: str) -> None:
    model = family(name)
    assert cannot_pack(model.config, 64) is None
    attend_in_segments(model)
    assert reads_apart(model)
    # three sequences, the last two of which begin alike: 0 to 8, 9 to 12 and 13 to 15, 9 to 12 and 16 to 17
    segments = (Segment(9), Segment(4), Segment(3, 4, 1), Segment(2, 4, 1))
    ends = [9] * 9 + [18] * 4 + [16] * 3 + [18] * 2  # where what a token moves ends
    ids = torch.randint(1, 120, (1, 18), generator=torch.Generator().manual_seed(1))

    def states(tokens: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            found = model.base_model(
                input_ids=tokens, use_cache=False, **segment_inputs(segments, tokens.device)
            )
        return found.last_hidden_state[0]

    before = states(ids)
    for position, end in enumerate(ends):
        changed = ids.clone()
        changed[0, position] = (ids[0, position] + 1) % 120
        moved = (states(changed) - before).abs().amax(-1) > 0
        assert moved[position]
        assert not moved[:position].any() and not moved[end:].any(), (name, position)
        if 9 <= position < 13:
            assert moved[13] and moved[16]


def test_packed_states_are_those_of_each_sequence_alone() -> None:
    model = tiny(seed=1).model.double().eval()
    rows = [EncodedRow("direct", tuple(range(40, 40 + n)), 1) for n in (5, 9, 2)]
    (packed,) = step_batch(rows, {"direct": 1.0}, 0, Layout(True, 100)).micro_batches
    everywhere = torch.ones_like(packed.ids, dtype=torch.bool)
    with torch.no_grad():
        alone = [model.base_model(torch.tensor([row.ids])).last_hidden_state[0] for row in packed.rows]
        attend_in_segments(model)
        together, _ = last_states(model, packed.ids, everywhere, packed.segments)
    assert torch.allclose(torch.cat(alone), together, atol=1e-12)


def test_a_prepared_model_decodes_as_before() -> None:
    """A training that selects on a split asks its model between steps, prompts padded to the left."""
    model = family("llama")
    ids = torch.tensor([[0, 0, 0, 7, 9], [3, 4, 5, 6, 8]])
    mask = (ids > 0).long()

    def decoded() -> torch.Tensor:
        made: torch.Tensor = model.generate(ids, attention_mask=mask, max_new_tokens=6, do_sample=False)
        return made

    before = decoded()
    attend_in_segments(model)
    assert torch.equal(decoded(), before)
    with torch.no_grad():
        alone = model(ids[:1, 3:]).logits[0, -1]
        padded = model(ids, attention_mask=mask, position_ids=mask.cumsum(1) - 1).logits[0, -1]
    assert torch.allclose(alone, padded, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("mistral", {"sliding_window": 8}, "looks back 8 tokens"),
        ("qwen2", {"layer_types": ["full_attention", "sliding_attention"]}, "not every layer"),
        ("llama", {"attn_implementation": "eager"}, "attention is `eager`"),
    ],
)
def test_models_that_cannot_pack(name: str, settings: dict[str, Any], why: str) -> None:
    make, more = FAMILIES[name]
    config = make(**{**SIZES, **more, **settings})
    attention = settings.get("attn_implementation", "sdpa")
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation=attention)
    assert why in str(cannot_pack(model.config, 64))


def steps(lengths: list[int], batch: int = 4) -> Steps:
    items = [(EncodedRow("direct", tuple(range(length)), 1),) for length in lengths]
    return Steps(items, task_weights={"direct": 1.0}, batch=batch, epochs=1.0, pad_id=0, seed=0)


MIXED, EQUAL = [10, 20, 30, 40] * 4, [20] * 16


@pytest.mark.parametrize(
    ("lengths", "options", "packed", "why"),
    [
        (EQUAL, {}, False, "0.0% of the tokens are padding, which costs less than packing"),
        (EQUAL, {"packing": True}, True, "asked for by the spec; padded, 0.0%"),
        (MIXED, {"packing": False}, False, "asked for by the spec; padded, "),
    ],
)
def test_the_choice(lengths: list[int], options: dict[str, Any], packed: bool, why: str) -> None:
    layout, decisions = choose_layout(steps(lengths), family("llama").config, train_options(options))
    assert layout.packed is packed
    assert [decision.what for decision in decisions] == ["micro-batches", "sequences"]
    assert decisions[1].why.startswith(why)


def test_a_beginning_alike_is_a_reason_to_pack_where_tokens_cost_more_than_calls() -> None:
    """Sixteen rows of one length, so no padding, with 40 tokens of a system prompt each."""
    items = [(EncodedRow("direct", (*range(40), n, 2), 41, f"i{n}"),) for n in range(40, 56)]
    made = Steps(items, task_weights={"direct": 1.0}, batch=16, epochs=1.0, pad_id=0, seed=0)
    shared = 15 * 40 / (16 * 42)
    assert alike_share(made, 16384) == pytest.approx(shared)
    for width, packed in ((WIDE, True), (WIDE - 8, False)):
        config = transformers.LlamaConfig(
            hidden_size=width, num_attention_heads=4, num_hidden_layers=2, intermediate_size=64
        )
        config._attn_implementation = "sdpa"
        layout, decisions = choose_layout(made, config, train_options({}))
        assert layout.packed is packed
        assert (f"packed, {shared:.1%} are read once" in decisions[1].why) is packed


def test_padding_is_measured_over_the_first_epoch() -> None:
    made = steps(MIXED, batch=16)
    padded = sum(micro.ids.numel() for micro in made[0].micro_batches)
    assert padding_share(made, 16384) == pytest.approx(1 - sum(MIXED) / padded) == pytest.approx(0.375)
    layout, decisions = choose_layout(made, family("llama").config, train_options({}))
    assert layout.packed and decisions[1].why == "padded, 37.5% of the tokens are padding"
    (micro,) = Steps.__getitem__(with_layout(made, layout), 0).micro_batches
    assert micro.ids.shape == (1, sum(MIXED)) and micro.segments == tuple(
        Segment(length) for length in sorted(MIXED, reverse=True)
    )


def with_layout(made: Steps, layout: Layout) -> Steps:
    made.layout = layout
    return made


def test_micro_batches_are_as_large_as_their_activations_allow() -> None:
    small = family("llama").config
    large = transformers.LlamaConfig(hidden_size=4096, num_hidden_layers=32, intermediate_size=11008)
    large._attn_implementation = "sdpa"
    assert choose_layout(steps(EQUAL), small, train_options({}))[0].micro_tokens == 16384
    assert choose_layout(steps(EQUAL), large, train_options({}))[0].micro_tokens == 256
    layout, decisions = choose_layout(steps(EQUAL), large, train_options({"micro_tokens": 7}))
    assert layout.micro_tokens == 7 and decisions[0].why == "asked for by the spec"


def test_a_model_that_does_not_read_apart_is_padded() -> None:
    model = family("llama")
    forward = model.base_model.forward

    def keeps_nothing(segments: Any = None, position_ids: Any = None, **inputs: Any) -> Any:
        return forward(**inputs)

    model.base_model.forward = keeps_nothing
    layout, decisions = prepare(Layout(True, 100), [model], train_options({}))
    assert layout == Layout(False, 100) and "did not keep packed sequences apart" in decisions[0].why
    assert model.config._attn_implementation == "sdpa"
    with pytest.raises(UserError, match="packing = true"):
        prepare(Layout(True, 100), [model], train_options({"packing": True}))


def test_packing_asked_of_a_model_that_cannot() -> None:
    config = family("llama").config
    config._attn_implementation = "eager"
    with pytest.raises(UserError, match=r"packing = true: attention is `eager`"):
        choose_layout(steps(MIXED), config, train_options({"packing": True}))
    teacher = family("llama").config
    teacher._attn_implementation = "eager"
    layout, decisions = choose_layout(
        steps(MIXED), family("llama").config, train_options({}), teacher=teacher
    )
    assert not layout.packed and "the teacher's attention is `eager`" in decisions[1].why


@pytest.mark.parametrize(
    ("options", "message"),
    [({"packing": 1}, "true or false"), ({"micro_tokens": 0}, "from 1 up"), ({"micro_tokens": 2.5}, "whole")],
)
def test_the_options_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        train_options(options)
