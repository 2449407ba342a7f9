"""Where finished stages lie: .nesy/stages/KEY/, put there whole, found again by content."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import write_json

PARTIAL = ".partial"


@dataclass(frozen=True, slots=True)
class Done:
    """A finished stage: its folder and what done.json says of it."""

    folder: Path
    info: Mapping[str, Any]


class Shelf:
    """`last` remembers the inputs each stage last ran with, so that a change can be named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._last_file = folder / "last.json"
        self._rates: dict[str, list[float]] | None = None

    def find(self, key: str) -> Done | None:
        """The finished stage of this key, if any; a folder without a readable done.json is none."""
        folder = self._folder / key
        try:
            info = json.loads((folder / "done.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return Done(folder, info) if isinstance(info, dict) else None

    def partial(self, key: str) -> Path:
        """The working folder of an unfinished stage; what a killed run left in it is still there."""
        folder = self._folder / f"{key}{PARTIAL}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def has_partial(self, key: str) -> bool:
        folder = self._folder / f"{key}{PARTIAL}"
        return folder.is_dir() and any(folder.iterdir())

    def finish(self, key: str, info: Mapping[str, Any]) -> Done:
        """Write done.json last, then move the working folder to its place."""
        partial = self.partial(key)
        write_json(partial / "done.json", info)
        place = self._folder / key
        if place.exists():  # unreadable, or it would have been found
            shutil.rmtree(place)
        partial.rename(place)
        return Done(place, info)

    def last(self, stage: str) -> Mapping[str, Any] | None:
        """{"inputs", "key", "spec"} of the last time it was done; `spec` is the hash of the build then."""
        value = self._read_last().get(stage)
        return value if isinstance(value, dict) and "inputs" in value else None

    def kept(self) -> set[str]:
        """The keys that some stage was last done with."""
        return {str(e["key"]) for e in self._read_last().values() if isinstance(e, dict) and "key" in e}

    def remember(self, stage: str, inputs: Mapping[str, Any], key: str, spec: str) -> None:
        last = self._read_last()
        entry = {"key": key, "spec": spec, "inputs": dict(inputs)}
        if last.get(stage) != entry:
            write_json(self._last_file, {**last, stage: entry})

    def rates(self, by: str) -> list[float]:
        """Seconds for one unit of work in every finished stage that did it `by` the same means, undisturbed."""
        if self._rates is None:
            self._rates = {}
            for file in sorted(self._folder.glob("*/done.json")):
                done = self.find(file.parent.name)
                work = done.info.get("work") if done is not None else None
                if done is not None and work and work["size"] > 0:
                    rate = float(done.info["seconds"]) / work["size"]
                    self._rates.setdefault(work["by"], []).append(rate)
        return self._rates.get(by, [])

    def _read_last(self) -> dict[str, Any]:
        try:
            value = json.loads(self._last_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}


@contextmanager
def project_lock(state_dir: Path) -> Iterator[None]:
    """Only one run works in a project at a time; the lock goes with the process, however it ends.

    Raises `UserError` where another run holds it.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    with (state_dir / "lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                "another run works in this project", "wait for it to end, or stop it; it loses nothing"
            ) from None
        yield


class Generations:
    """How often each stage was refreshed. A refresh a crash broke off is gone on with, not begun again."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._previewed: set[str] = set()

    def of(self, stage: str) -> int:
        entry = self._read().get(stage, {"generation": 0, "pending": False})
        ahead = stage in self._previewed and not entry["pending"]
        return int(entry["generation"]) + ahead

    def preview(self, stage: str) -> None:
        """From now on `of` answers as after a refresh; nothing is written."""
        self._previewed.add(stage)

    def refresh(self, stage: str) -> None:
        values = self._read()
        entry = values.get(stage, {"generation": 0, "pending": False})
        if not entry["pending"]:
            values[stage] = {"generation": entry["generation"] + 1, "pending": True}
            write_json(self._file, values)

    def finished(self, stage: str) -> None:
        values = self._read()
        if values.get(stage, {}).get("pending"):
            values[stage]["pending"] = False
            write_json(self._file, values)

    def _read(self) -> dict[str, Any]:
        try:
            value = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}
