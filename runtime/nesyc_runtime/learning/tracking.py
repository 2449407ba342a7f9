"""What a training writes for people who watch it: Lightning's loggers, fed by one callback.

`metrics.csv` and TensorBoard's event files always; Weights & Biases and MLflow where nesyc.yaml names them. What is
written there is read by nobody here: scores, reports and resuming come from the run's own files.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.history import History
from nesyc_runtime.learning.interruptions import interruptions_wait

PACKAGES = {"wandb": "wandb", "mlflow": "mlflow"}


@dataclass(frozen=True, slots=True)
class Tracking:
    """`folder` takes the files of one training; `project` and `name` are what services file it under.

    `services` are of `wandb` and `mlflow`. Their keys and addresses come from the environment, as their own
    documentation says (WANDB_API_KEY, MLFLOW_TRACKING_URI).
    """

    folder: Path
    project: str
    name: str
    services: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


def loggers_of(tracking: Tracking) -> list[Any]:
    """Lightning's loggers; raises `UserError` where a service's package is missing or it cannot be reached."""
    from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

    tracking.folder.mkdir(parents=True, exist_ok=True)
    return [
        CSVLogger(tracking.folder, name="", version=""),
        TensorBoardLogger(tracking.folder, name="", version=""),
        *(_service(service, tracking) for service in tracking.services),
    ]


def finish(loggers: Sequence[Any]) -> None:
    """End what loggers hold open: the next training in this process is one of its own."""
    from lightning.pytorch.loggers import WandbLogger

    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _service(service: str, tracking: Tracking) -> Any:
    try:
        if service == "wandb":
            from lightning.pytorch.loggers import WandbLogger

            # The same training has the same id, so that one that goes on goes on there too.
            id_ = hashlib.sha256(f"{tracking.project}/{tracking.name}".encode()).hexdigest()[:16]
            logger: Any = WandbLogger(
                name=tracking.name,
                project=tracking.project,
                id=id_,
                resume="allow",
                save_dir=tracking.folder,
            )
        else:
            from lightning.pytorch.loggers import MLFlowLogger

            logger = MLFlowLogger(experiment_name=tracking.project, run_name=tracking.name)
        _ = logger.experiment
    except ModuleNotFoundError as error:
        raise UserError(
            f"nesyc.yaml tracks trainings with {service}, which is not installed ({error.name})",
            f"pip install {PACKAGES[service]}, or take it out of `tracking`",
        ) from None
    except Exception as error:
        raise UserError(
            f"{service} cannot be used: {error}",
            f"mend what it says, or take {service} out of `tracking` in nesyc.yaml",
        ) from None
    return logger


class Tracked(pl.Callback):  # type: ignore[misc]  # mypy does not follow lightning
    """Logs loss, learning rate and speed of every optimizer step; stands after `history` among the callbacks.

    A service that fails on the way is left out from then on, with a warning: it is not worth a training.
    """

    def __init__(self, tracking: Tracking, history: History) -> None:
        self._tracking, self._history = tracking, history
        self._loggers: list[Any] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        self._loggers = list(trainer.loggers)
        csv, *others = self._loggers
        for step, loss in enumerate(self._history.losses):  # of a training that goes on: the file begins anew
            csv.log_metrics({"loss": loss}, step)
        for logger in others:  # a table of figures by step has no place for settings
            self._try(logger, lambda one: one.log_hyperparams(dict(self._tracking.settings)))

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        history = self._history
        figures = {
            "loss": history.losses[-1],
            "lr": trainer.optimizers[0].param_groups[0]["lr"],
            "tokens": float(history.tokens),
            "tokens_per_second": history.tokens / max(history.seconds, 1e-9),
        }
        for logger in tuple(self._loggers):
            self._try(logger, lambda one: one.log_metrics(figures, history.step - 1))

    def _try(self, logger: Any, log: Callable[[Any], None]) -> None:
        try:
            with interruptions_wait():  # TensorBoard's writes from a thread of its own
                log(logger)
        except Exception as error:
            self._loggers.remove(logger)
            warnings.warn(f"{type(logger).__name__} is left out from here on: {error}", stacklevel=2)
