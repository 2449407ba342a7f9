"""Losses over the vocabulary against float64 definitions, whole or in chunks, with and without a teacher."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_student import tiny

from nesyc_runtime.learning import heads
from nesyc_runtime.learning.batches import Layout, step_batch
from nesyc_runtime.learning.divergences import Divergence, Kind
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.losses import distil_loss, token_loss
from nesyc_runtime.learning.teachers import FrozenTeacher

KINDS: tuple[Kind, ...] = ("kl", "reverse_kl", "jsd", "tvd")
ROWS = [
    EncodedRow("direct", (1, 50, 51, 52, 60, 61, 2), 4),
    EncodedRow("direct", (1, 53, 62, 2), 2),
    EncodedRow("answer", (1, 50, 51, 52, 53, 54, 55, 63, 2), 7),
]
WEIGHTS = {"direct": 1.0, "answer": 0.3}


def probabilities(logits: list[float], temperature: float) -> list[float]:
    raised = [math.exp(value / temperature) for value in logits]
    return [value / sum(raised) for value in raised]


def folded(t: list[float], s: list[float], k: int | None) -> tuple[list[float], list[float]]:
    """The teacher's k likeliest tokens, and all others as one."""
    if k is None or k >= len(t):
        return t, s
    kept = sorted(range(len(t)), key=lambda i: -t[i])[:k]

    def fold(p: list[float]) -> list[float]:
        return [*(p[i] for i in kept), 1 - sum(p[i] for i in kept)]

    return fold(t), fold(s)


def kl(p: list[float], q: list[float]) -> float:
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def oracle(loss: Divergence, student: list[float], teacher: list[float]) -> float:
    """The definitions of `Divergence`, in plain Python."""
    t, s = probabilities(teacher, loss.temperature), probabilities(student, loss.temperature)
    t, s = folded(t, s, loss.top_k)
    match loss.kind:
        case "kl":
            return kl(t, s) * loss.temperature**2
        case "reverse_kl":
            return kl(s, t) * loss.temperature**2
        case "jsd":
            m = [loss.beta * a + (1 - loss.beta) * b for a, b in zip(t, s, strict=True)]
            return (loss.beta * kl(t, m) + (1 - loss.beta) * kl(s, m)) * loss.temperature**2
        case "tvd":
            return 0.5 * sum(abs(a - b) for a, b in zip(t, s, strict=True))


# apart, so that the likeliest tokens are the same for the definition and for torch
logit = st.lists(st.integers(-40, 40).map(lambda n: n / 10), min_size=6, max_size=6, unique=True)


@settings(deadline=None)
@given(
    logit,
    logit,
    st.sampled_from(KINDS),
    st.floats(0.1, 0.9),
    st.floats(0.5, 4),
    st.sampled_from([None, 1, 3, 6]),
)
def test_each_divergence_is_its_definition(
    student: list[float], teacher: list[float], kind: Kind, beta: float, temperature: float, top_k: int | None
) -> None:
    loss = Divergence(kind, beta, temperature, top_k)
    pair = (torch.tensor([values], dtype=torch.float64) for values in (student, teacher))
    assert float(loss(*pair)) == pytest.approx(oracle(loss, student, teacher), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top_k", [None, 3])
def test_gradients_are_right(kind: Kind, top_k: int | None) -> None:
    generator = torch.Generator().manual_seed(0)
    teacher = torch.randn(4, 9, dtype=torch.float64, generator=generator)
    student = torch.randn(4, 9, dtype=torch.float64, generator=generator).requires_grad_()
    loss = Divergence(kind, 0.3, 2.0, top_k)
    assert torch.autograd.gradcheck(lambda x: loss(x, teacher), (student,))


@pytest.mark.parametrize("kind", KINDS)
def test_a_teacher_that_is_sure_gives_numbers(kind: Kind) -> None:
    student = torch.zeros(1, 50).requires_grad_()
    teacher = torch.full((1, 50), -1e4)
    teacher[0, 7] = 1e4
    for top_k in (None, 5):
        loss = Divergence(kind, top_k=top_k)(student, teacher)
        (gradient,) = torch.autograd.grad(loss.sum(), student)
        assert torch.isfinite(loss).all() and torch.isfinite(gradient).all()


@pytest.fixture(scope="module")
def models() -> tuple[Any, Any]:
    return tiny(seed=1).model.double(), tiny(seed=2).model.double()


def micro() -> Any:
    (only,) = step_batch(ROWS, WEIGHTS, 0, Layout(micro_tokens=10_000)).micro_batches
    return only


def gradients(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("mix", [1.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
def test_the_distillation_loss_is_the_definition(models: tuple[Any, Any], kind: Kind, mix: float) -> None:
    model, teacher = models
    loss = Divergence(kind, 0.4, 1.5, mix=mix)
    with torch.no_grad():
        found = float(distil_loss(model, FrozenTeacher(teacher), micro(), loss))
    wanted = 0.0
    counts = {"direct": 5, "answer": 2}
    for row in ROWS:
        with torch.no_grad():
            s, t = (m(torch.tensor([row.ids])).logits[0] for m in (model, teacher))
        for place in range(row.prompt_length, len(row.ids)):
            apart = oracle(loss, s[place - 1].tolist(), t[place - 1].tolist())
            entropy = -float(s[place - 1].log_softmax(-1)[row.ids[place]])
            weight = WEIGHTS[row.training_task] / counts[row.training_task]
            wanted += weight * (mix * apart + (1 - mix) * entropy)
    # the shares of the loss are float32
    assert found == pytest.approx(wanted, rel=1e-6)


@pytest.mark.parametrize("kind", [None, *KINDS])
def test_chunks_change_nothing(
    models: tuple[Any, Any], kind: Kind | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, teacher = models
    found = []
    for size in (1, 2**24):
        monkeypatch.setattr(heads, "LOGITS", size)
        monkeypatch.setattr(heads, "SMALLEST", 2)
        model.zero_grad()
        loss = (
            token_loss(model, micro())
            if kind is None
            else distil_loss(model, FrozenTeacher(teacher), micro(), Divergence(kind))
        )
        loss.backward()
        found.append((loss.item(), gradients(model)))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-9, atol=1e-12)


def test_a_student_that_is_its_teacher_has_no_loss(models: tuple[Any, Any]) -> None:
    model, _ = models
    for kind in KINDS:
        model.zero_grad()
        loss = distil_loss(model, FrozenTeacher(model), micro(), Divergence(kind))
        loss.backward()
        assert loss.item() == pytest.approx(0, abs=1e-12)
        assert float(gradients(model).abs().max()) < 1e-9


def test_the_chunked_loss_is_the_models_own(models: tuple[Any, Any]) -> None:
    """Beside a causal model's logits and torch's cross-entropy, gradients and all."""
    model, _ = models
    batch = micro()
    model.zero_grad()
    token_loss(model, batch).backward()
    found = gradients(model)
    model.zero_grad()
    logits = model(batch.ids).logits
    losses = torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch.labels.flatten(), reduction="none", ignore_index=-100
    )
    (losses * batch.weights.flatten()).sum().backward()
    assert torch.allclose(found, gradients(model), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("positions", [1, 16, 37])
def test_entropy_in_place_is_the_chunked_one(
    models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch, frozen: bool, positions: int
) -> None:
    model, _ = models
    monkeypatch.setattr(heads, "LOGITS", 1)  # chunks of the smallest size
    head, weight = heads.Head(model), model.get_output_embeddings().weight
    draws = torch.Generator().manual_seed(positions)
    states = torch.randn(positions, weight.shape[1], dtype=weight.dtype, generator=draws) * 3
    labels = torch.randint(head.vocabulary, (positions,), generator=draws)
    weights = torch.rand(positions, generator=draws)
    monkeypatch.setattr(weight, "requires_grad", not frozen)
    found = []
    for plain in (True, False):
        if not plain:
            monkeypatch.setattr(heads.Head, "weight", None)
        inputs = states.clone().requires_grad_()
        loss = heads.chunked_entropy(inputs * 1.0, heads.Head(model), labels, weights) * 0.5
        wanted = [inputs] if frozen else [inputs, weight]
        found.append([loss.detach(), *torch.autograd.grad(loss, wanted)])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("frozen", [False, True])
def test_entropy_in_mixed_precision(frozen: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "LOGITS", 1)
    model = tiny().model
    weight = model.get_output_embeddings().weight.requires_grad_(not frozen)
    draws = torch.Generator().manual_seed(0)
    states = torch.randn(37, 32, generator=draws) * 3
    labels = torch.randint(heads.Head(model).vocabulary, (37,), generator=draws)
    weights = torch.rand(37, generator=draws)
    found = []
    for mixed in (False, True):
        inputs = states.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = heads.chunked_entropy(inputs, heads.Head(model), labels, weights)
        gradients = torch.autograd.grad(loss, [inputs] if frozen else [inputs, weight])
        found.append([loss.detach(), *gradients])
    for exact, mixed_ in zip(*found, strict=True):
        assert mixed_.dtype == torch.float32
        assert 1e-5 < (mixed_ - exact).norm() / exact.norm() < 0.02


SIZES = {
    "vocab_size": 120,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("Llama", {}),
        ("Gemma2", {"head_dim": 8, "final_logit_softcapping": 0.1}),
        ("Granite", {"logits_scaling": 4.0}),
        ("Cohere", {"logit_scale": 0.25}),
    ],
)
def test_heads_that_scale_or_cap_are_the_models_own(name: str, more: dict[str, Any]) -> None:
    model = causal_model_of(name, **SIZES, **more)
    assert heads.head_agrees(model) and model.training
    batch = micro()
    token_loss(model, batch).backward()
    found = gradients(model)
    model.zero_grad()
    losses = torch.nn.functional.cross_entropy(
        model(batch.ids).logits.flatten(0, 1), batch.labels.flatten(), reduction="none", ignore_index=-100
    )
    (losses * batch.weights.flatten()).sum().backward()
    assert torch.allclose(found, gradients(model), rtol=1e-3, atol=1e-6)


def test_a_head_with_a_way_of_its_own_is_seen() -> None:
    capped = {
        **SIZES,
        "num_hidden_layers": 3,
        "lru_width": 32,
        "logits_soft_cap": 0.1,
        "num_key_value_heads": 4,
    }
    assert not heads.head_agrees(causal_model_of("RecurrentGemma", **capped))


def causal_model_of(name: str, **sizes: Any) -> Any:
    """With random weights large enough for a cap to be felt."""
    torch.manual_seed(0)
    made = getattr(transformers, f"{name}Config")(**sizes, initializer_range=0.2)
    return transformers.AutoModelForCausalLM.from_config(made).train()


def test_a_soft_capped_head(models: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = models
    monkeypatch.setattr(model.config, "final_logit_softcapping", 0.5, raising=False)
    states = torch.randn(3, model.config.hidden_size, dtype=torch.float64)
    plain = model.get_output_embeddings()(states)
    assert torch.allclose(heads.Head(model)(states), torch.tanh(plain / 0.5) * 0.5)
    assert heads.Head(model).weight is None
