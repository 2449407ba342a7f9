"""On-policy distillation: a share of a step's responses is what the student writes itself (Agarwal et al. 2024, GKD).

The teacher then says how likely it finds the student's own tokens, mistakes among them, which no text of its own would
show. Such a response is no target: its tokens have the divergence alone, no cross-entropy.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl

from nesyc_runtime.inference.generate import generate_ids
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.batches import StepBatch, Steps
from nesyc_runtime.learning.encoding import EncodedRow
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.processes import ALONE, Share, together

TEMPERATURE = 1.0  # GKD, section 4: responses are drawn from the student's very distribution


class OwnResponses(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Before each step, lets the student answer some of its prompts anew.

    The share of rows goes in a line from `share[0]` at the first step to `share[1]` at the last. Which rows, and what is
    drawn for each, follows from `seed`, the step and the row's place alone: a training that goes on does the same. Several
    processes, `work` says which of them this is, answer a part each and read all of it.
    """

    def __init__(
        self,
        loaded: LoadedStudent,
        steps: Steps,
        share: tuple[float, float],
        seed: int,
        history: History,
        work: Share = ALONE,
    ) -> None:
        self.loaded, self.steps, self.share, self.seed, self.history = loaded, steps, share, seed, history
        self._write = together(self._written, work)

    def share_at(self, step: int) -> float:
        start, end = self.share
        return start + (end - start) * step / max(1, self.steps.steps - 1)

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: StepBatch, batch_idx: int) -> None:
        step, rows = self.history.step, self.steps.rows(self.history.step)
        share = self.share_at(step)
        chosen = [place for place in range(len(rows)) if self._draw("which", step, place) / 2**63 < share]
        if not chosen:
            return
        self.steps.replace(step, self._answered(step, rows, chosen))
        made = self.steps[step].to(pl_module.device)
        batch.micro_batches, batch.layout = made.micro_batches, made.layout
        batch.tokens, batch.label_tokens = made.tokens, made.label_tokens

    def _answered(self, step: int, rows: Sequence[EncodedRow], chosen: Sequence[int]) -> list[EncodedRow]:
        asked = [(rows[place], self._draw("what", step, place)) for place in chosen]
        answered = list(rows)
        for place, (row, _), response in zip(chosen, asked, self._write(asked), strict=True):
            room = max(1, self.loaded.student.max_tokens - row.prompt_length)
            ids = (*row.ids[: row.prompt_length], *response[:room])
            answered[place] = EncodedRow(row.training_task, ids, row.prompt_length, row.item, own=True)
        return answered

    def _written(self, asked: Sequence[tuple[EncodedRow, int]]) -> list[tuple[int, ...]]:
        """The student's responses to rows' prompts, each drawn with a seed."""
        prompts, seeds = [row.ids[: row.prompt_length] for row, _ in asked], [seed for _, seed in asked]
        found: dict[int, tuple[int, ...]] = {}
        for result in generate_ids(self.loaded, prompts, seeds=seeds, temperature=TEMPERATURE):
            found[result.index] = (*result.ids, *(self.loaded.template.end if result.finished else ()))
        return [found[index] for index in range(len(asked))]

    def _draw(self, what: str, step: int, place: int) -> int:
        """A number below 2**63 that only its arguments and the seed decide."""
        text = f"{self.seed} {what} {step} {place}".encode()
        return int.from_bytes(hashlib.sha256(text).digest()[:8], "big") >> 1
