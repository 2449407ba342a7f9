"""Fused layers give what the layers they replace give, gradients too."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.fused import _Gate, _Lora, _Norm, choose_fused, fuse, has_fused_adapters
from nesyc_runtime.learning.optimizers import train_options
from nesyc_runtime.learning.quiet import quiet_peft

SIZES: dict[str, Any] = {
    "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 64,
}  # fmt: skip


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64, generator=generator).requires_grad_()


def test_gradients_are_those_of_finite_differences() -> None:
    x, w, bias, a, b = drawn(2, 3, 5), drawn(4, 5, seed=1), drawn(4), drawn(2, 5), drawn(4, 2)
    assert torch.autograd.gradcheck(lambda *given: _Lora.apply(*given, 0.7), (x, w, bias, a, b))
    assert torch.autograd.gradcheck(lambda *given: _Norm.apply(*given, 1e-5), (x, drawn(5)))
    assert torch.autograd.gradcheck(_Gate.apply, (x, drawn(2, 3, 5, seed=1)))


def model(
    make: Any = transformers.LlamaConfig, *, dora: bool = False, dropout: float = 0.0, **more: Any
) -> Any:
    torch.manual_seed(0)
    base = transformers.AutoModelForCausalLM.from_config(make(**{**SIZES, **more}))
    config = LoraConfig(
        r=4, lora_alpha=8, lora_dropout=dropout, target_modules="all-linear", use_dora=dora,
        task_type="CAUSAL_LM", init_lora_weights=False,
    )  # fmt: skip
    with quiet_peft():
        return get_peft_model(base, config)


def gradients(made: Any) -> tuple[float, dict[str, torch.Tensor]]:
    made.zero_grad()
    ids = torch.randint(90, (2, 11), generator=torch.Generator().manual_seed(3))
    loss = made(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in made.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (transformers.LlamaConfig, {"attention_bias": True}),
        (transformers.Qwen2Config, {}),
        (transformers.Qwen3Config, {"head_dim": 8}),
    ],
)
def test_a_model_trains_as_before(make: Any, settings: dict[str, Any]) -> None:
    made = model(make, **settings)
    loss, before = gradients(made)
    done = fuse(made)
    assert done["LoRA layers"] == 14 and done["gates"] == 2 and done["norms"] >= 5
    again, after = gradients(made)
    assert again == pytest.approx(loss, rel=1e-6)
    assert before.keys() == after.keys()
    for name, gradient in before.items():
        assert (after[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-7, name
    with made.disable_adapter(), torch.no_grad():
        plain = made(input_ids=torch.tensor([[1, 2, 3]])).logits
    with torch.no_grad():
        assert not torch.allclose(plain, made(input_ids=torch.tensor([[1, 2, 3]])).logits)


def test_what_is_not_plain_stays() -> None:
    assert fuse(model(dora=True))["LoRA layers"] == 0
    assert fuse(model(dropout=0.1))["LoRA layers"] == 0
    gemma = model(
        transformers.GemmaConfig, head_dim=8
    )  # its norm adds one to its weight, its gate is no silu
    done = fuse(gemma)
    assert done["norms"] == done["gates"] == 0 and done["LoRA layers"] == 14


def test_an_adapter_is_saved_and_merged_as_before(tmp_path: Any) -> None:
    made = model()
    ids = torch.tensor([[1, 2, 3]])
    fuse(made)
    with torch.no_grad():
        wanted = made(input_ids=ids).logits
        merged = made.merge_and_unload()(input_ids=ids).logits
    assert torch.allclose(wanted, merged, atol=1e-5)


def off(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> float:
    """How far gradients are from others, of the size of these."""
    assert found.keys() == wanted.keys()
    pairs = [(found[name].double(), gradient.double()) for name, gradient in wanted.items()]
    return float(sum(((f - w).norm() ** 2 for f, w in pairs)) / sum(w.norm() ** 2 for _, w in pairs)) ** 0.5


def test_in_mixed_precision_gradients_are_as_good() -> None:
    made = model(hidden_size=128)
    _, exact = gradients(made)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, before = gradients(made)
        fuse(made)
        again, after = gradients(made)
        outputs = made.base_model.model.model.layers[0].mlp.gate_proj(torch.randn(1, 3, 128))
    assert outputs.dtype == torch.bfloat16
    assert again == pytest.approx(loss, rel=1e-3)
    assert all(gradient.dtype == torch.float32 for gradient in after.values())
    assert 1e-4 < off(after, exact) < 1.2 * off(before, exact)


def test_in_mixed_precision_a_norm_stays_exact() -> None:
    x, weight, outer = drawn(4, 64).float(), drawn(64, seed=1).float(), drawn(4, 64, seed=2).float() + 2
    found = []
    for mixed in (False, True):
        inputs = x.detach().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            _Norm.apply(inputs, weight, 1e-5).backward(outer + inputs.detach())
        found.append(inputs.grad)
    assert torch.equal(*found)


def test_only_a_fused_adapter_counts_as_one() -> None:
    plain, fused, dora = model(), model(), model(dora=True)
    fuse(fused)
    fuse(dora)  # its norms are
    assert [has_fused_adapters(one) for one in (plain, fused, dora)] == [False, True, False]


def test_in_mixed_precision_a_frozen_weight_is_cast_once_and_anew_where_it_changed() -> None:
    made = model()
    fuse(made)
    layer, x = made.base_model.model.model.layers[0].mlp.gate_proj, torch.randn(1, 3, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        first = layer(x)
        kept = layer.cast
        assert torch.equal(layer(x), first) and layer.cast is kept
        layer.base_layer.weight.mul_(3)
        assert not torch.equal(layer(x), first)
    assert not any("cast" in name for name in made.state_dict())


def test_in_mixed_precision_a_weight_that_learns_has_its_gradient() -> None:
    made = model()
    weight = made.base_model.model.model.layers[0].mlp.gate_proj.base_layer.weight.requires_grad_()
    fuse(made)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        _, found = gradients(made)
    assert weight.grad is not None and weight.grad.norm() > 0 and len(found) == 29


@pytest.mark.parametrize(
    ("width", "options", "choice", "why"),
    [
        (256, {}, "fused: 14 LoRA layers, 2 gates, 5 norms", "fewer passes over memory on a CPU"),
        (32, {}, "as the model has them", "states of fewer than 256 values"),
        (32, {"fused": True}, "fused: 14 LoRA layers, 2 gates, 5 norms", "asked for by the spec"),
        (256, {"fused": False}, "as the model has them", "asked for by the spec"),
    ],
)
def test_the_choice(width: int, options: dict[str, Any], choice: str, why: str) -> None:
    made, asked = model(hidden_size=width), train_options(options)
    (decision,) = choose_fused(made, asked, "cpu")
    assert (decision.what, decision.choice) == ("layers", choice) and decision.why.startswith(why)


def test_other_types_of_numbers_stay() -> None:
    half = model(hidden_size=256).bfloat16()
    (decision,) = choose_fused(half, train_options({}), "cpu")
    assert decision.choice == "as the model has them" and "not in float32" in decision.why
    with pytest.raises(UserError, match="fused = true"):
        choose_fused(half, train_options({"fused": True}), "cpu")
