"""Token ids kept on the disk: the same rows are cut into tokens once, and read from a file that is mapped, not loaded."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, overload

import numpy as np

from nesyc_runtime import config, patterns, templates
from nesyc_runtime.files import write_json
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.inference import answers, finders, formats, prompts, values, wordings
from nesyc_runtime.learning import encoding, rows
from nesyc_runtime.learning.encoding import EncodedItems, EncodedRow
from nesyc_runtime.learning.rows import TrainingRow
from nesyc_runtime.project import Project

FOLDER = "tokens"  # in .nesy/
# Modules whose code decides what the ids are.
MAKERS = (encoding, rows, prompts, formats, wordings, answers, finders, values, templates, patterns)
CUTS = ("knowledge", "prompt", "response")
ROW = np.dtype([("item", "<i4"), ("task", "i1"), ("prompt", "<i4"), ("cut", "i1"), ("end", "<i8")])


def encoded_once(
    project: Project | None,
    task: config.Task,
    training_rows: Sequence[TrainingRow],
    tasks: tuple[config.TrainingTask, ...],
    template: formats.PromptFormat,
    max_tokens: int,
    kept: float = 1.0,
) -> EncodedItems:
    """`encode_items`, found again in the project's folder by the content of all it depends on."""

    def encode() -> EncodedItems:
        return encoding.encode_items(task, training_rows, tasks, template, max_tokens, kept)

    if project is None:
        return encode()
    key = _key(task, training_rows, tasks, template, max_tokens, kept)
    return keep(project.state_dir / FOLDER / key, encode)


def keep(folder: Path, encode: Callable[[], EncodedItems]) -> EncodedItems:
    """The items in `folder`; made and put there, whole or not at all, where it has none that can be read."""
    found = _read(folder)
    if found is None:
        made = encode()
        shutil.rmtree(folder, ignore_errors=True)  # damaged, or not there
        with contextlib.suppress(OSError):  # a full disk, or another process was faster: what is made will do
            _write(folder, made)
        found = _read(folder) or made
    return found


def _key(
    task: config.Task,
    training_rows: Sequence[TrainingRow],
    tasks: tuple[config.TrainingTask, ...],
    template: formats.PromptFormat,
    max_tokens: int,
    kept: float,
) -> str:
    tokenizer = template.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    cuts = backend.to_str() if backend is not None else sorted(tokenizer.get_vocab().items())
    around = [template.before, template.after, template.end, template.chat]
    told = [_plain(asdict(replace(row, likely=None))) for row in training_rows]  # which changes no id
    code = [file_digest(Path(str(module.__file__))) for module in MAKERS]
    return digest([code, cuts, around, task.model_dump(mode="json"), told, tasks, max_tokens, kept])


def _plain(value: Any) -> Any:
    """A value as JSON can say it; dates and the like by their text."""
    return json.loads(json.dumps(value, default=str))


class MappedIds(Sequence[int]):
    """The ids of one row in the mapped file; a slice of them is a tuple."""

    __slots__ = ("_all", "_end", "_start")

    def __init__(self, all_ids: Any, start: int, end: int) -> None:
        self._all, self._start, self._end = all_ids, start, end

    def __len__(self) -> int:
        return self._end - self._start

    @overload
    def __getitem__(self, place: int) -> int: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[int, ...]: ...
    def __getitem__(self, place: int | slice) -> int | tuple[int, ...]:
        found = self._all[self._start : self._end][place]
        return tuple(found.tolist()) if isinstance(place, slice) else int(found)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (MappedIds, tuple)) and self[:] == other[:]

    def __hash__(self) -> int:
        return hash(self[:])


def _write(folder: Path, items: EncodedItems) -> None:
    names = sorted({row.training_task for item in items.items for row in item})
    every = [row for item in items.items for row in item]
    table = np.empty(len(every), ROW)
    table["item"] = [number for number, item in enumerate(items.items) for _ in item]
    table["task"] = [names.index(row.training_task) for row in every]
    table["prompt"] = [row.prompt_length for row in every]
    table["cut"] = [sum(1 << CUTS.index(part) for part in row.cut) for row in every]
    table["end"] = np.cumsum([len(row.ids) for row in every])
    ids = np.concatenate([np.array(row.ids[:], "<i4") for row in every])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name[:8]}.") as temporary:
        part = Path(temporary) / "tokens"
        part.mkdir()
        np.save(part / "ids.npy", ids)
        np.save(part / "rows.npy", table)
        known = [item[0].item if item else "" for item in items.items]
        write_json(part / "about.json", {"v": 1, "items": known, "tasks": names}, indent=None)
        part.rename(folder)


def _read(folder: Path) -> EncodedItems | None:
    """None where there is nothing, or something damaged."""
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        table = np.load(folder / "rows.npy", allow_pickle=False)
        ids = np.load(folder / "ids.npy", mmap_mode="r", allow_pickle=False)
        if about["v"] != 1 or table.dtype != ROW or (len(table) and table["end"][-1] != len(ids)):
            return None
        items: list[list[EncodedRow]] = [[] for _ in about["items"]]
        start = 0
        for number, task, prompt, cut, end in table.tolist():
            parts = tuple(part for place, part in enumerate(CUTS) if cut >> place & 1)
            mapped = MappedIds(ids, start, end)
            row = EncodedRow(about["tasks"][task], mapped, prompt, about["items"][number], parts)
            items[number].append(row)
            start = end
    except (OSError, EOFError, ValueError, KeyError, TypeError, IndexError):
        return None
    counts = Counter(part for item in items for row in item for part in row.cut)
    return EncodedItems(tuple(tuple(item) for item in items), counts)
