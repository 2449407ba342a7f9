"""What the figures were measured on."""

from __future__ import annotations

import os
import platform


def load() -> float:
    """The machine's load average over the last minute: above 0.2 before a benchmark, its figures are suspect."""
    return round(os.getloadavg()[0], 2)


def describe() -> dict[str, object]:
    """Cores, processor and Python; nothing that names the machine."""
    return {"cores": os.cpu_count(), "processor": platform.machine(), "python": platform.python_version()}
