"""A benchmark's figures and how they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. `bar` is what it is held against: a peer's value in the same run, or a limit."""

    what: str
    value: float
    unit: str
    bar: float | None = None
    against: str = ""

    @property
    def ratio(self) -> float | None:
        """Value over bar; below 1 is better than the bar."""
        return self.value / self.bar if self.bar else None

    def as_json(self) -> dict[str, object]:
        """The figure and its ratio as plain values."""
        return {**asdict(self), "ratio": self.ratio}


def show(name: str, figures: Sequence[Figure], load: Sequence[float]) -> None:
    """Print one benchmark's table on stdout."""
    table = Table(title=f"{name}  (load before {load[0]}, after {load[1]})", title_justify="left")
    for heading in ("what", "value", "unit", "bar", "against", "ratio"):
        table.add_column(heading, justify="left" if heading in ("what", "unit", "against") else "right")
    for figure in figures:
        bar = "" if figure.bar is None else f"{figure.bar:.3g}"
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f}"
        table.add_row(figure.what, f"{figure.value:.3g}", figure.unit, bar, figure.against, ratio)
    Console().print(table)
