"""Progress of a run: bars where someone watches a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from nesyc_runtime.files import printable

LINE_EVERY = 20.0  # seconds between plain lines of one stage


class ConsoleReporter:
    """A `Reporter` on `console` (standard error for a run); a context manager that ends its bars."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = _bars(console) if console.is_terminal else None
        self._task: TaskID | None = None
        self._stage, self._total, self._last = "", 1.0, 0.0

    def __enter__(self) -> ConsoleReporter:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def start(self, stage: str, why: str, total: int | None) -> None:
        self._stage, self._total, self._last = stage, float(total or 1), time.monotonic()
        self._print(f"{stage}: {why}" if why else stage, "bold")
        if self._bars is not None:
            self._task = self._bars.add_task(stage, total=self._total)

    def advance(self, done: float) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.update(self._task, completed=min(done, self._total))
        elif self._bars is None and time.monotonic() - self._last >= LINE_EVERY:
            self._last = time.monotonic()
            self._print(f"{self._stage}: {min(1.0, done / self._total):.0%}", "")

    def finish(self, stage: str, summary: str) -> None:
        if self._bars is not None and self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None
        self._print(f"{stage}: {summary}", "green")

    def note(self, text: str) -> None:
        self._print(text, "")

    def warn(self, text: str) -> None:
        self._print(f"warning: {text}", "yellow")

    def _print(self, text: str, style: str) -> None:
        self._console.print(Text(printable(text, 2000), style=style))


def _bars(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
