"""Probabilities that a server told: matched with the student's tokens, and compared as a float64 oracle does."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_student import make_student

from nesyc_runtime.learning.batches import Layout, step_batch
from nesyc_runtime.learning.divergences import Divergence, Kind
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.losses import distil_loss
from nesyc_runtime.learning.segments import attend_in_segments
from nesyc_runtime.learning.stored import StoredTeacher, Targets, align
from nesyc_runtime.learning.students import load_student
from nesyc_runtime.learning.token_bytes import token_bytes
from nesyc_runtime.teachers.likely import Likely, likely_of

KINDS: tuple[Kind, ...] = ("kl", "reverse_kl", "jsd", "tvd")


def told(pieces: list[str], others: tuple[str, ...] = ("z",)) -> Likely:
    """An answer in these pieces, each with probability 0.6 and `others` sharing 0.3."""
    content = [
        {
            "token": piece,
            "logprob": math.log(0.6),
            "top_logprobs": [
                {"token": piece, "logprob": math.log(0.6)},
                *(
                    {"token": other, "logprob": math.log(0.3 / len(others))}
                    for other in others
                    if other != piece
                ),
            ],
        }
        for piece in pieces
    ]
    likely = likely_of({"content": content})
    assert likely is not None
    return likely


def matched(pieces: list[str], response: list[str]) -> tuple[float, list[bool], list[list[int]]]:
    words = sorted({*pieces, *response, "z"})
    ids = {word.encode(): number for number, word in enumerate(words)}
    covered, same, targets = align(told(pieces), [word.encode() for word in response], ids)
    share = covered / same
    named = [[id_ for id_ in row if id_ >= 0] for row in targets.top.tolist()]
    expected = [[ids[word.encode()], ids[b"z"]] for word in response]
    assert all(
        row == want or not known
        for row, want, known in zip(named, expected, targets.known.tolist(), strict=True)
    )
    return share, targets.known.tolist(), named


def test_the_same_pieces_match() -> None:
    share, known, _ = matched(["12", " x", " 3"], ["12", " x", " 3"])
    assert share == 1 and known == [True] * 3


def test_spaces_before_the_first_word_do_not_count() -> None:
    share, known, _ = matched([" 12", " x", " 3"], ["12", " x", " 3"])
    assert known == [False, True, True] and share == pytest.approx(4 / 6)


def test_other_pieces_of_the_same_text_do_not_match() -> None:
    share, known, _ = matched(["1", "2 x", " 3"], ["12", " x", " 3"])
    assert known == [False, False, True] and share == pytest.approx(2 / 6)


def test_what_follows_another_text_is_not_known() -> None:
    share, known, _ = matched(["a", " b", " c", " d"], ["a", " b", " x", " d"])
    assert known == [True, True, False, False]
    assert share == pytest.approx(3 / 4)  # the space before c and x is common too


def test_a_token_the_student_has_not_goes_to_the_tail() -> None:
    covered, same, targets = align(told(["a"], ("quux", "b")), [b"a"], {b"a": 0, b"b": 1})
    assert covered == same == 1 and targets.known.tolist() == [True]
    assert sorted(targets.top[0].tolist()) == [-1, 0, 1]


def test_special_tokens_match_nothing() -> None:
    _, _, targets = align(told(["a", ""]), [b"a", b""], {b"a": 0})
    assert targets.known.tolist() == [True, False]


@given(st.text(alphabet="ab \n\u00e9\u6f22", min_size=1, max_size=20))
def test_a_tokenizers_bytes_are_the_text(text: str) -> None:
    tokenizer = load_student(make_student()).tokenizer
    vocabulary = token_bytes(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert b"".join(vocabulary[id_] for id_ in ids) == text.encode()
    assert all(vocabulary[id_] == b"" for id_ in tokenizer.all_special_ids)


def oracle(kind: Kind, student: Any, top: list[int], p: list[float], beta: float) -> float:
    """Over the named tokens and one for all others, in float64, term by term."""
    s = np.exp(student - student.max())
    s = s / s.sum()
    here = [place for place, id_ in enumerate(top) if id_ >= 0]
    t_all, s_all = [p[place] for place in here], [float(s[top[place]]) for place in here]
    t_all, s_all = [*t_all, 1 - sum(t_all)], [*s_all, 1 - sum(s_all)]
    value = 0.0
    for t, q in zip(t_all, s_all, strict=True):
        m = beta * t + (1 - beta) * q
        value += {
            "kl": t * math.log(t / q),
            "reverse_kl": q * math.log(q / t),
            "jsd": beta * t * math.log(t / m) + (1 - beta) * q * math.log(q / m),
            "tvd": 0.5 * abs(t - q),
        }[kind]
    return value


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", [[4, 1, 7], [4, -1, 7], [2, 3, -1]])
def test_the_loss_is_that_of_an_oracle(kind: Kind, top: list[int]) -> None:
    rng = np.random.default_rng(0)
    student, p = rng.normal(size=9), [0.5, 0.3, 0.1]
    found = Divergence(kind, beta=0.3).over_top(
        torch.tensor(student)[None], torch.tensor([top]), torch.tensor([p], dtype=torch.float64).log()
    )
    assert found.item() == pytest.approx(oracle(kind, student, top, p, 0.3), abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_told_of_every_token_is_the_whole_distribution(kind: Kind) -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 6, dtype=torch.float64), torch.randn(4, 6, dtype=torch.float64)
    log_p, top = torch.log_softmax(teacher, -1).sort(descending=True)
    told_ = Divergence(kind).over_top(student, top, log_p)
    assert torch.allclose(told_, Divergence(kind)(student, teacher), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_are_compared_where_the_stage_asks_for_fewer(kind: Kind) -> None:
    torch.manual_seed(1)
    student, teacher = torch.randn(4, 8, dtype=torch.float64), torch.randn(4, 8, dtype=torch.float64)
    log_p, top = torch.log_softmax(teacher, -1).topk(5)
    fewer = Divergence(kind, top_k=3)
    assert torch.allclose(fewer.over_top(student, top, log_p), fewer(student, teacher), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_finite_where_tokens_are_missing(kind: Kind) -> None:
    student = torch.randn(2, 5, requires_grad=True)
    top, log_p = torch.tensor([[-1, -1], [0, -1]]), torch.tensor([[-0.1, -3.0], [-0.7, -9.0]])
    Divergence(kind).over_top(student, top, log_p).sum().backward()
    assert student.grad is not None and bool(student.grad.isfinite().all())


def row_of(ids: tuple[int, ...], prompt: int, item: str, known: list[bool] | None) -> EncodedRow:
    """A row whose teacher told of two tokens at each position that is known: the label with 0.6, another with 0.3."""
    labels = ids[prompt:]
    targets = None
    if known is not None:
        top = torch.tensor([[label, (label + 7) % 90 + 5] for label in labels], dtype=torch.int32)
        log_p = torch.tensor([[0.6, 0.3]] * len(labels)).log().half()
        targets = Targets(torch.tensor(known), top, log_p)
    return EncodedRow("direct", ids, prompt, item, targets=targets)


TOLD_ROWS = [
    row_of((1, 20, 21, 22, 30, 31, 32, 2), 4, "a", [True, False, True, True]),
    row_of((1, 23, 40, 41, 2), 2, "b", None),
    row_of((1, 24, 25, 50, 51, 2), 3, "c", [False, True, True]),
]


def by_hand(model: Any, rows: list[EncodedRow], kind: Kind, mix: float) -> float:
    """Each row alone, each label in float64: mix of divergence and cross-entropy where told, cross-entropy elsewhere."""
    total, labels = 0.0, sum(row.label_tokens for row in rows)
    for row in rows:
        with torch.no_grad():
            logits = model(torch.tensor([row.ids])).logits[0].double().numpy()
        for place, label in enumerate(row.ids[row.prompt_length :]):
            found = logits[row.prompt_length - 1 + place]
            entropy = float(np.log(np.exp(found - found.max()).sum()) + found.max() - found[label])
            if row.targets is None or not row.targets.known[place]:
                total += entropy
                continue
            p = [math.exp(value) for value in row.targets.log_p[place].tolist()]
            apart = oracle(kind, found, row.targets.top[place].tolist(), p, 0.5)
            total += mix * apart + (1 - mix) * entropy
    return total / labels


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(("kind", "mix"), [("kl", 0.25), ("reverse_kl", 1.0), ("tvd", 0.6)])
def test_the_loss_of_a_batch_is_that_of_its_positions_one_by_one(
    packed: bool, kind: Kind, mix: float
) -> None:
    model = load_student(make_student()).model
    expected = by_hand(model, TOLD_ROWS, kind, mix)
    if packed:
        attend_in_segments(model)
    (micro,) = step_batch(TOLD_ROWS, {"direct": 1.0}, 0, Layout(packed)).micro_batches
    found = distil_loss(model, StoredTeacher(), micro, Divergence(kind, mix=mix))
    assert found.item() == pytest.approx(expected, rel=2e-5)
