"""Decoding: equal to the library's where it has the same, and blind to how prompts are batched."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch
from tiny_student import make_task, tiny

from nesyc_runtime.errors import UserError
from nesyc_runtime.inference import generate as module
from nesyc_runtime.inference.generate import Generation, generate, sample_ids
from nesyc_runtime.inference.prompts import render_prompt
from nesyc_runtime.learning.encoding import encode_items
from nesyc_runtime.learning.rows import TrainingRow

PROMPTS = ["a", "What is 6 x 7?", "zorp " * 8, "ä", "What is 6 x 7?", "b" * 200]


@pytest.fixture(scope="module")
def student() -> Any:
    return tiny(seed=3)


def by_index(results: Any) -> list[Generation]:
    return sorted(results, key=lambda result: result.index)


def test_greedy_equals_transformers(student: Any) -> None:
    for result in by_index(generate(student, PROMPTS)):
        ids = torch.tensor([student.template.prompt_ids(PROMPTS[result.index], 116)])
        expected = student.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=list(student.template.stop_ids),
        )[0, ids.shape[1] :].tolist()
        kept = [token for token in expected if token not in student.template.stop_ids]
        assert result.text == student.template.text(kept)
        assert result.tokens == len(kept)
        assert result.finished == (len(kept) < len(expected))


@pytest.mark.parametrize("late", [False, True])  # whether memory runs out only after some rows have ended
def test_a_batch_that_does_not_fit_is_decoded_in_halves(
    late: bool, student: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stops = frozenset(range(0, len(student.tokenizer), 2))
    ending = replace(student, template=replace(student.template, stop_ids=stops))
    settings: Any = {"temperature": 2.0, "seeds": list(range(len(PROMPTS))), "max_new_tokens": 30}
    whole = by_index(generate(ending, PROMPTS, **settings))
    step = module._next_logits
    found: list[Generation] = []
    rows: list[int] = []

    def short_of_memory(model: Any, ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        rows.append(len(ids))
        if len(ids) > (1 if late else 2) and bool(found) >= late:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return step(model, ids, *rest)

    monkeypatch.setattr(module, "_next_logits", short_of_memory)
    for one in generate(ending, PROMPTS, **settings):
        found.append(one)
    if late:  # the rows that ended stand: the others alone are begun again
        left = rows[1]
        assert 1 < left < len(PROMPTS) == rows[0] and rows[2] == -(-left // 2)
    else:
        assert rows[:3] == [6, 3, 2]
    assert [one.ids for one in by_index(found)] == [one.ids for one in whole]
    assert len(found) == len(PROMPTS)

    monkeypatch.setattr(module, "_next_logits", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(UserError, match="no memory for one prompt and its answer, at most 128 tokens"):
        list(generate(student, PROMPTS))


def test_a_long_prompt_loses_what_it_loses_in_training(student: Any) -> None:
    task = make_task()
    row = TrainingRow("r", {"question": "6 x 7?"}, "6 x 7 = 42.", "42", "knowledge " * 20)
    asked = render_prompt(task, row.inputs, row.retrieved)
    (found,) = generate(student, [asked])  # 128 tokens less 12 of the answer
    assert found.cut == ("knowledge",)
    room = 116 + len(student.template.response_ids("6 x 7 = 42."))
    items = encode_items(task, [row], ("augmented",), student.template, room)
    (trained,) = items.items[0]
    ids, lost = student.template.fit(asked, 116)
    assert (list(trained.ids[: trained.prompt_length]), dict(items.cut)) == (ids, {"knowledge": 1})
    assert lost == found.cut and student.template.text(ids).startswith("Q: 6 x 7?\nknowledge")
    (plain,) = generate(student, [str(asked)])
    assert plain.cut == ("prompt",)
    (short,) = generate(student, ["6 x 7?"])
    assert short.cut == ()


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_batches_change_nothing(student: Any, temperature: float) -> None:
    whole = by_index(generate(student, PROMPTS, temperature=temperature, seeds=5))
    single = by_index(generate(student, PROMPTS, temperature=temperature, seeds=5, batch_rows=1))
    assert [r.text for r in whole] == [r.text for r in single]
    assert [r.confidence for r in whole] == pytest.approx([r.confidence for r in single], abs=1e-5)


def test_seeds(student: Any) -> None:
    def texts(seeds: Any) -> list[str]:
        return [r.text for r in by_index(generate(student, PROMPTS, temperature=1.0, seeds=seeds))]

    assert texts(1) == texts(1) != texts(2)
    assert texts(1)[1] == texts(1)[4]  # the same prompt under the same seed
    of_two = texts([1, 2, 3, 4, 5, 6])
    assert of_two[1] != of_two[4]


def test_rows_that_end_leave_and_the_others_go_on(student: Any) -> None:
    """With every second token an end, rows end at different steps; the rest must decode as if alone."""
    stops = frozenset(range(0, len(student.tokenizer), 2))
    ending = replace(student, template=replace(student.template, stop_ids=stops))
    prompts = [f"question {number}" for number in range(12)]
    whole = by_index(generate(ending, prompts, temperature=2.0, seeds=list(range(12)), max_new_tokens=30))
    single = by_index(
        generate(ending, prompts, temperature=2.0, seeds=list(range(12)), max_new_tokens=30, batch_rows=1)
    )
    assert [(r.text, r.tokens, r.finished) for r in whole] == [(r.text, r.tokens, r.finished) for r in single]
    assert len({r.tokens for r in whole}) > 2


def test_confidence_is_the_mean_margin_of_the_first_steps(student: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "CONFIDENCE_STEPS", 3)
    (result,) = generate(student, ["What?"])
    ids = student.template.prompt_ids("What?")
    margins = []
    with torch.inference_mode():
        for _ in range(3):
            two = student.model(torch.tensor([ids])).logits[0, -1].softmax(-1).topk(2)
            margins.append(float(two.values[0] - two.values[1]))
            ids = [*ids, int(two.indices[0])]
    assert result.confidence == pytest.approx(sum(margins) / 3, abs=1e-5)
    assert 0 <= result.confidence <= 1


def test_the_model_is_left_as_it_was(student: Any) -> None:
    student.model.train()
    list(generate(student, ["a"]))
    assert student.model.training


def test_no_prompts(student: Any) -> None:
    assert list(generate(student, [])) == []


def test_sampling_follows_the_nucleus() -> None:
    probabilities = torch.tensor([0.1, 0.5, 0.3, 0.1])
    draws = torch.linspace(0, 0.9999, 1000)
    logits = probabilities.log().expand(1000, 4)
    counts = Counter(sample_ids(logits, 1.0, 1.0, draws).tolist())
    assert counts[1] == pytest.approx(500, abs=2) and counts[2] == pytest.approx(300, abs=2)
    nucleus = Counter(sample_ids(logits, 1.0, 0.7, draws).tolist())
    assert set(nucleus) == {1, 2} and nucleus[1] == pytest.approx(625, abs=2)
    assert set(sample_ids(logits, 1.0, 0.0, draws).tolist()) == {1}
    cold = Counter(sample_ids(logits, 0.01, 1.0, draws).tolist())
    assert set(cold) == {1}
