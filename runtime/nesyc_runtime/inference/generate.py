"""Decoding: many prompts at once, results as they come, the same whatever the batches are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from nesyc_runtime.device import out_of_memory
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.loaded import LoadedStudent

CONFIDENCE_STEPS = 16
BATCH_TOKENS = 32768  # prompt and response tokens of one batch, padding included
BATCH_ROWS = 256
BATCH_ROWS_CPU = 48  # more do not make a row's products cheaper there, and their ends lie further apart
LEAVE_SHARE = 8  # ended rows leave when one in so many has ended: to copy the cache costs about a step


@dataclass(frozen=True, slots=True)
class Generation:
    """One response. `index` is the prompt's place, `tokens` counts decoded ids (the end apart).

    `confidence` is the mean over the first 16 decoded steps of p(first) - p(second), in [0, 1].
    `finished` is False where the response was cut at the length limit. `ids` are what `text` was decoded from.
    `cut` names what the prompt lost to fit.
    """

    index: int
    text: str
    confidence: float
    tokens: int
    finished: bool
    ids: tuple[int, ...] = ()
    cut: tuple[str, ...] = ()


def generate(
    loaded: LoadedStudent,
    prompts: Sequence[str],
    *,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    seeds: Sequence[int] | int = 0,
    batch_rows: int | None = None,
) -> Iterator[Generation]:
    """Responses to `prompts`, in an order that suits the batches: see `Generation.index`.

    Temperature 0 decodes greedily. Sampling draws from a stream of its own for each prompt, fixed by its
    entry of `seeds` (a single seed: by seed and prompt text), so neither order nor batches change a result.
    `batch_rows` at once at most: where it is not given, as many as suit the device.
    """
    limit = max_new_tokens or loaded.student.max_new_tokens
    longest = loaded.student.max_tokens
    room = max(longest - limit, longest // 4)
    fitted = [loaded.template.fit(prompt, room) for prompt in prompts]
    own_seeds = [_seed(seeds, i, prompt) for i, prompt in enumerate(prompts)]
    found = generate_ids(
        loaded,
        [ids for ids, _ in fitted],
        seeds=own_seeds,
        max_new_tokens=limit,
        temperature=temperature,
        top_p=top_p,
        batch_rows=batch_rows,
    )
    for one in found:
        yield replace(one, cut=fitted[one.index][1])


@torch.no_grad()  # inference mode would leave a sharded model's buffers unfit for the training that goes on
def generate_ids(
    loaded: LoadedStudent,
    encoded: Sequence[Sequence[int]],
    *,
    seeds: Sequence[int],
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    top_p: float = 1.0,
    batch_rows: int | None = None,
) -> Iterator[Generation]:
    """As `generate`, of prompts given as token ids, a seed for each.

    A batch that does not fit in memory is decoded in halves. Raises `UserError` where one prompt does not.
    """
    limit = max_new_tokens or loaded.student.max_new_tokens
    was_training = loaded.model.training
    loaded.model.eval()
    order = sorted(range(len(encoded)), key=lambda i: (len(encoded[i]), i))
    batch_rows = batch_rows or (BATCH_ROWS_CPU if loaded.device == "cpu" else BATCH_ROWS)
    longest = max(map(len, encoded), default=0) + limit

    def decode(rows: list[int]) -> Iterator[Generation]:
        pick = _picker(temperature, top_p, [seeds[i] for i in rows], limit)
        return _decode(loaded, rows, [encoded[i] for i in rows], limit, pick)

    try:
        for batch in _batches(order, encoded, limit, batch_rows):
            yield from _fitting(loaded, batch, decode, longest)
    finally:
        loaded.model.train(was_training)


def _fitting(
    loaded: LoadedStudent, batch: list[int], decode: Callable[[list[int]], Iterator[Generation]], longest: int
) -> Iterator[Generation]:
    """What `decode` gives for a batch, for its halves where it does not fit in memory; rows that ended are not begun again."""
    waiting = [batch]
    while waiting:
        rows = waiting.pop()
        left = dict.fromkeys(rows)
        try:
            for one in decode(rows):
                del left[one.index]
                yield one
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(rows) == 1:
                raise _no_room(loaded, longest) from None
        # here, for the error held on to what did not fit
        if left:
            torch.cuda.empty_cache()
            again, middle = list(left), (len(left) + 1) // 2
            waiting += [half for half in (again[middle:], again[:middle]) if half]


def _no_room(loaded: LoadedStudent, tokens: int) -> UserError:
    name = loaded.student.name
    return UserError(
        f"student {name}: there is no memory for one prompt and its answer, at most {tokens} tokens, on {loaded.device}",
        f"lower max_tokens of student {name}, or take a device with more memory",
    )


def _batches(
    order: Sequence[int], encoded: Sequence[Sequence[int]], limit: int, batch_rows: int
) -> Iterator[list[int]]:
    """Prompts of like length together, the longest first: what does not fit in memory shows at once."""
    batch: list[int] = []
    for index in reversed(order):
        longest = len(encoded[batch[0]]) if batch else 0
        if batch and (len(batch) >= batch_rows or (len(batch) + 1) * (longest + limit) > BATCH_TOKENS):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def _seed(seeds: Sequence[int] | int, index: int, prompt: str) -> int:
    if not isinstance(seeds, int):
        return seeds[index]
    text = f"{seeds}\n{prompt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1


def _uniforms(seed: int, count: int) -> Tensor:
    return torch.rand(count, generator=torch.Generator().manual_seed(seed))


@dataclass(slots=True)
class _Row:
    """The state of one response while it is decoded."""

    index: int
    ids: list[int] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)
    finished: bool = False

    def take(self, token: int, stops: frozenset[int], margin: float | None) -> bool:
        """Add a decoded id; whether it ends the response."""
        if margin is not None:
            self.margins.append(margin)
        if token in stops:
            self.finished = True
        else:
            self.ids.append(token)
        return self.finished


def _decode(
    loaded: LoadedStudent,
    indices: Sequence[int],
    prompts: Sequence[Sequence[int]],
    limit: int,
    pick: Callable[[Tensor, int, Sequence[int]], Tensor],
) -> Iterator[Generation]:
    """Decode one batch; rows that end are given at once, and leave the batch when an eighth of it has ended.

    `pick(logits, step, places)` gives the next ids of the rows that stood at `places` of the full batch.
    """
    from nesyc_runtime.inference.cache import roomy_cache  # transformers takes seconds to import

    ids, mask = _left_padded(prompts, loaded.template.pad_id, loaded.device)
    positions = (mask.cumsum(1) - 1).clamp(min=0)  # (rows, length)
    cache = roomy_cache(loaded.model.config)
    rows = [_Row(index) for index in indices]
    active = list(range(len(rows)))  # batch place -> row
    for step in range(limit):
        logits = _next_logits(loaded.model, ids, mask, positions, cache)
        margins = _margins(logits) if step < CONFIDENCE_STEPS else None
        chosen = pick(logits, step, active)
        for place, token in enumerate(chosen.tolist()):
            row = rows[active[place]]
            if row.finished:
                continue
            ended = row.take(token, loaded.template.stop_ids, margins[place] if margins else None)
            if ended:
                yield _result(loaded, row)
        going = [place for place, number in enumerate(active) if not rows[number].finished]
        if not going:
            return
        if len(going) <= len(active) - max(1, len(active) // LEAVE_SHARE):
            kept = torch.tensor(going, device=ids.device)
            cache.batch_select_indices(kept)
            chosen, mask, positions = chosen[kept], mask[kept], positions[kept]
            active = [active[place] for place in going]
        ids = chosen[:, None]
        mask = torch.cat([mask, mask.new_ones(len(active), 1)], dim=1)
        positions = positions[:, -1:] + 1
    for row in rows:
        if not row.finished:
            yield _result(loaded, row)


def _next_logits(model: Any, ids: Tensor, mask: Tensor, positions: Tensor, cache: Any) -> Tensor:
    """(rows, vocabulary) float32 after the last of `ids`; what came before is in `cache`."""
    output = model(
        input_ids=ids,
        attention_mask=mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits: Tensor = output.logits[:, -1].float()
    return logits


def _picker(
    temperature: float, top_p: float, seeds: Sequence[int], limit: int
) -> Callable[[Tensor, int, Sequence[int]], Tensor]:
    """How a batch chooses its next ids: greedily, or from a stream of numbers of each row's own."""
    if temperature <= 0:
        return lambda logits, step, places: logits.argmax(-1)
    drawn = torch.stack([_uniforms(seed, limit) for seed in seeds])  # (rows, steps)

    def pick(logits: Tensor, step: int, places: Sequence[int]) -> Tensor:
        return sample_ids(logits, temperature, top_p, drawn[list(places), step].to(logits.device))

    return pick


def sample_ids(logits: Tensor, temperature: float, top_p: float, drawn: Tensor) -> Tensor:
    """Ids (rows,) by inverse transform of `drawn` (rows,) in [0, 1) over the top-p nucleus of (rows, vocabulary)."""
    probabilities, ids = (logits / temperature).softmax(-1).sort(stable=True, dim=-1, descending=True)
    before = probabilities.cumsum(-1) - probabilities
    nucleus = torch.where(before < top_p, probabilities, 0.0)
    nucleus[:, 0] = probabilities[:, 0]  # the likeliest is always in
    edges = nucleus.cumsum(-1)
    places = (edges <= drawn[:, None] * edges[:, -1:]).sum(-1, keepdim=True)
    last = (nucleus > 0).sum(-1, keepdim=True) - 1
    chosen: Tensor = ids.gather(-1, torch.minimum(places, last)).squeeze(-1)
    return chosen


def _margins(logits: Tensor) -> list[float]:
    two = logits.softmax(-1).topk(2, dim=-1).values
    margins: list[float] = (two[:, 0] - two[:, 1]).tolist()
    return margins


def _left_padded(prompts: Sequence[Sequence[int]], pad_id: int, device: str) -> tuple[Tensor, Tensor]:
    length = max(len(prompt) for prompt in prompts)
    ids = torch.full((len(prompts), length), pad_id)
    mask = torch.zeros(len(prompts), length, dtype=torch.long)
    for r, prompt in enumerate(prompts):
        ids[r, length - len(prompt) :] = torch.tensor(prompt)
        mask[r, length - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def _result(loaded: LoadedStudent, row: _Row) -> Generation:
    text = loaded.template.text(row.ids)
    confidence = sum(row.margins) / len(row.margins) if row.margins else 0.0
    confidence = min(1.0, max(0.0, confidence))
    return Generation(row.index, text, confidence, len(row.ids), row.finished, tuple(row.ids))
