"""Library talk switched off, each source by its name and with the reason."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

# Lightning announces devices, an upgrade tip and the model's size on every run: the progress callback tells
# what matters, and a run holds many short trainings.
LIGHTNING_LOGGERS = ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda")

LIGHTNING_WARNINGS = (
    # batches are token ids made in memory: worker processes would cost more than they save
    r".*does not have many workers.*",
    # a run of few steps is a choice of the spec
    r".*The number of training batches .* is smaller than the logging interval.*",
    # progress is measured by the callback, results are saved by `run_finetune`
    r".*does not have a `val_dataloader`.*",
    # the table of a training that goes on begins anew, with its earlier steps
    r".*Previous log files in this directory will be deleted.*",
    # this project neither uses nor can change Lightning's own use of it
    r".*`isinstance\(treespec, LeafSpec\)` is deprecated.*",
    r".*isinstance\(treespec, LeafSpec\).*",
)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    levels = {name: logging.getLogger(name).level for name in LIGHTNING_LOGGERS}
    for name in LIGHTNING_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in LIGHTNING_WARNINGS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No bars and no notes while a model is loaded: errors are raised, and `nesyc run` shows its own progress."""
    from transformers import modeling_gguf_pytorch_utils as gguf_loader
    from transformers.utils import logging as hub_logging

    gguf_bar = gguf_loader.tqdm
    gguf_loader.tqdm = partial(gguf_bar, disable=True)  # the one bar that does not ask the setting below
    level, bars = hub_logging.get_verbosity(), hub_logging.is_progress_bar_enabled()
    hub_logging.set_verbosity_error()
    hub_logging.disable_progress_bar()
    try:
        yield
    finally:
        gguf_loader.tqdm = gguf_bar
        hub_logging.set_verbosity(level)
        if bars:
            hub_logging.enable_progress_bar()


@contextmanager
def quiet_sentences() -> Iterator[None]:
    """No note that a plain encoder is pooled by the mean: that is what the language says of one."""
    logger = logging.getLogger("sentence_transformers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with quiet_transformers():
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """peft 0.21 still asks transformers by a name that transformers 5 renames; nothing here can change that."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*`is_gradient_checkpointing` is deprecated.*")
        yield
