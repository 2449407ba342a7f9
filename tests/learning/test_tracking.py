"""What a training logs for people who watch: CSV and TensorBoard always, a service where it is asked for."""

from __future__ import annotations

import csv
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never

import pytest
from cut_training import Killed, equal, train_stage
from test_resume import ROWS, STEPS
from tiny_student import make_stage, make_student

from nesyc_runtime.errors import UserError
from nesyc_runtime.learning.interruptions import interruptions_wait
from nesyc_runtime.learning.tracking import Tracking


def train(out: Path, tracking: Tracking | None, cut: int | None = None) -> Any:
    student = make_student("full", dropout=0.1)
    stage = make_stage(epochs=3.0, batch=4, lr=1e-2, schedule="linear", tasks=("direct",), weights=(1.0,))
    return train_stage(out, stage, student, ROWS, cut=cut, tracking=tracking)


def table(folder: Path) -> list[tuple[int, float]]:
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [(int(row["step"]), float(row["loss"])) for row in csv.DictReader(file)]


def test_every_step_stands_in_the_table_and_for_tensorboard(tmp_path: Path) -> None:
    tracking = Tracking(tmp_path / "logs", "spec", "p.final", settings={"lr": 1e-2})
    report = train(tmp_path / "out", tracking)
    assert report.steps == STEPS
    steps, losses = zip(*table(tmp_path / "logs"), strict=True)
    assert steps == tuple(range(STEPS)) and losses == pytest.approx([loss for _, loss in report.loss])
    events = b"".join(path.read_bytes() for path in (tmp_path / "logs").rglob("events.out.tfevents*"))
    assert events.count(b"tokens_per_second") >= STEPS


def test_a_training_that_goes_on_has_its_whole_table(tmp_path: Path) -> None:
    tracking = Tracking(tmp_path / "logs", "spec", "p.final")
    with pytest.raises(Killed):
        train(tmp_path / "out", tracking, cut=4)
    report = train(tmp_path / "out", tracking)
    steps, losses = zip(*table(tmp_path / "logs"), strict=True)
    assert steps == tuple(range(STEPS)) and losses == pytest.approx([loss for _, loss in report.loss])


def test_tracking_changes_no_weight(tmp_path: Path) -> None:
    train(tmp_path / "out", Tracking(tmp_path / "logs", "spec", "p.final"))
    train(tmp_path / "plain", None)
    assert equal(tmp_path / "out", tmp_path / "plain")


@pytest.mark.parametrize("service", ["wandb", "mlflow"])
def test_a_service_that_is_not_there_says_how_to_get_it(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, service, None)
    for name in [name for name in sys.modules if name.startswith(("lightning.pytorch.loggers.", "mlflow."))]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=f"tracks trainings with {service}") as caught:
        train(tmp_path / "out", Tracking(tmp_path / "logs", "spec", "p.final", services=(service,)))
    assert f"pip install {service}" in caught.value.help


def test_a_service_that_fails_on_the_way_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightning.pytorch.loggers import CSVLogger

    from nesyc_runtime.learning import tracking as module

    class Down(CSVLogger):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            raise ConnectionError("the service is down")

    monkeypatch.setattr(module, "_service", lambda *_: Down(tmp_path / "elsewhere", name="", version=""))
    with pytest.warns(UserWarning, match="Down is left out from here on: the service is down"):
        report = train(tmp_path / "out", Tracking(tmp_path / "logs", "spec", "p.final", services=("wandb",)))
    assert len(table(tmp_path / "logs")) == report.steps == STEPS


@pytest.fixture
def heard() -> Iterator[None]:
    """Signals as a command has them; Lightning ignores ctrl-C from the first one on."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, signal.default_int_handler) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_waits_for_the_logger(
    sent: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of handing a line to its thread TensorBoard's writer would wait for that thread forever."""
    from lightning.pytorch.loggers import CSVLogger

    from nesyc_runtime.learning import tracking as module

    whole: list[int | None] = []

    class Interrupted(CSVLogger):
        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            if step == 2:
                signal.raise_signal(sent)
            whole.append(step)

    monkeypatch.setattr(module, "_service", lambda *_: Interrupted(tmp_path / "other", name="", version=""))
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "out", Tracking(tmp_path / "logs", "spec", "p.final", services=("wandb",)))
    assert whole == [0, 1, 2]
    assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


@pytest.mark.usefixtures("heard")
def test_a_second_interruption_does_not_wait() -> None:
    reached: list[str] = []
    with pytest.raises(KeyboardInterrupt), interruptions_wait():
        signal.raise_signal(signal.SIGINT)
        reached.append("the first waits")
        signal.raise_signal(signal.SIGINT)
        reached.append("the second waits")
    assert reached == ["the first waits"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("heard")
def test_what_waited_for_comes_after_an_error_too() -> None:
    def interrupted() -> Never:
        with interruptions_wait():
            signal.raise_signal(signal.SIGTERM)
            raise ValueError("of the block")

    with pytest.raises(KeyboardInterrupt) as caught:
        interrupted()
    assert isinstance(caught.value.__context__, ValueError)
