"""`select = SPLIT`: of the weights after each epoch, those whose answers on a split are right most often."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from safetensors.torch import load_file

from nesyc_runtime.inference.exam import Exam
from nesyc_runtime.inference.generate import generate
from nesyc_runtime.inference.loaded import LoadedStudent
from nesyc_runtime.learning.checkpoints import save_whole, trained_parameters
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.processes import ALONE, Share, together
from nesyc_runtime.learning.randomness import random_state, restore_random
from nesyc_runtime.learning.sharding import whole

Score = Callable[[], float]


class Selection(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Scores the model after each epoch and after the last step; the best weights so far lie in `file`.

    `score` gives the share of right answers in [0, 1], and may not change the random state that training draws from: it
    is put back; of several processes each calls it, and all get the same. The scores stand in `history`, so a training that goes
    on knows them. Ties go to the earlier epoch. Stands before what writes checkpoints: a checkpoint after an epoch has its score.
    """

    def __init__(
        self, file: Path, score: Score, steps_per_epoch: int, history: History, share: Share = ALONE
    ) -> None:
        self.file, self.score, self.steps_per_epoch, self.history = file, score, steps_per_epoch, history
        self.share = share

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        step = self.history.step
        if step % self.steps_per_epoch and step != self.history.steps:
            return
        random, started = random_state(), time.perf_counter()
        value = self.score()
        restore_random(random)
        self.history.pause(time.perf_counter() - started)
        if value > max((score for _, score in self.history.scores), default=-1.0):
            self._keep(pl_module.model)
        self.history.scores.append((step, value))

    def _keep(self, model: torch.nn.Module) -> None:
        tensors = {}
        for name, parameter in trained_parameters(model):
            gathered = whole(parameter.detach())  # which all processes take part in
            if self.share.process == 0:
                tensors[name] = gathered.cpu().contiguous()
        if self.share.process == 0:
            save_whole(self.file, tensors)

    def take_best(self, model: torch.nn.Module) -> None:
        """Put the kept weights into `model`."""
        kept = load_file(self.file)
        with torch.no_grad():
            for name, parameter in trained_parameters(model):
                parameter.copy_(kept[name])


def exam_score(exam: Exam, share: Share, loaded: LoadedStudent) -> float:
    """How a student does in an exam; of several processes each asks a part of it."""
    return exam.score(together(partial(_greedy, loaded), share))


def _greedy(loaded: LoadedStudent, prompts: Sequence[str]) -> list[str]:
    found = {result.index: result.text for result in generate(loaded, prompts)}
    return [found[index] for index in range(len(prompts))]
