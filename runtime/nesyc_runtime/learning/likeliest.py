"""What a local teacher finds likeliest at each label, found once: every epoch reads it from files that are mapped, not loaded.

The teacher reads each row one time, however many epochs there are, and is gone before the student trains. A token takes 6 or 8
bytes for each of the k likeliest (id and float32 log-probability); what they leave to 1 is the tail.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from nesyc_runtime.device import out_of_memory
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import atomic
from nesyc_runtime.learning.batches import IGNORED, micro_batch, micro_batch_plan
from nesyc_runtime.learning.encoding import EncodedItems, EncodedRow
from nesyc_runtime.learning.heads import LOGITS, last_states
from nesyc_runtime.learning.processes import ALONE, Share

FOLDER = "likeliest"  # in .nesy/
WHOLE = "whole.npy"  # the records of all rows; until it is there, files of some rows each
CHUNK = 16384  # tokens of prompts and responses in such a file: what a teacher that is killed reads again
READ = 4096  # tokens it reads at a time
SMALL = 2**16  # ids below fit in two bytes
WAIT = 0.2  # seconds between looks for a file that another process makes
PATIENCE = 3600.0  # seconds in which another process makes a file at least


@dataclass(frozen=True, slots=True)
class Asked:
    """The `k` likeliest of the first `vocabulary` tokens, at `temperature`."""

    k: int
    temperature: float
    vocabulary: int

    @property
    def record(self) -> np.dtype[Any]:
        ids = "<u2" if self.vocabulary <= SMALL else "<i4"
        return np.dtype([("top", ids, (self.k,)), ("log_p", "<f4", (self.k,))])


class MappedTargets:
    """`Targets` of a row whose every label token is known, read from the file when asked for."""

    __slots__ = ("_all", "_end", "_start")

    def __init__(self, records: NDArray[Any], start: int, end: int) -> None:
        self._all, self._start, self._end = records, start, end

    @property
    def k(self) -> int:
        return int(self._all.dtype["top"].shape[0])

    @property
    def known(self) -> Tensor:
        return torch.ones(self._end - self._start, dtype=torch.bool)

    @property
    def top(self) -> Tensor:
        return torch.from_numpy(self._all["top"][self._start : self._end].astype(np.int32))

    @property
    def log_p(self) -> Tensor:
        return torch.from_numpy(self._all["log_p"][self._start : self._end].copy())


def with_likeliest(
    items: EncodedItems,
    asked: Asked,
    teacher: Callable[[], Any],
    folder: Path,
    *,
    pad_id: int,
    share: Share = ALONE,
    progress: Callable[[float], None] | None = None,
) -> EncodedItems:
    """The items with their targets; what `folder` lacks is read by the model that `teacher` gives, which is called at most once.

    `folder` is of these items, this teacher and what is asked of it alone. Each file is whole or not there: what was cut off
    goes on. Of several processes each makes a share of the files and waits for the others'. `progress` is told the share done,
    where anything is lacking.
    Raises `UserError` where the disk or the memory do not suffice, or another process makes nothing any more.
    """
    rows = [row for item in items.items for row in item]
    chunks = list(_chunks(rows))
    labels = [sum(rows[index].label_tokens for index in chunk) for chunk in chunks]
    whole = folder / WHOLE
    if _read(whole, asked, sum(labels)) is None:
        files = [folder / f"{number:06}.npy" for number in range(len(chunks))]
        own = [
            number
            for number in range(share.process, len(chunks), share.processes)
            if _read(files[number], asked, labels[number]) is None
        ]
        model = teacher() if own else None
        for done, number in enumerate(own):
            if progress is not None:
                progress(done / len(own))
            told = _told(model, [rows[index] for index in chunks[number]], asked, pad_id)
            _write(files[number], asked, labels[number], [told])
        del model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if share.process == 0:
            made = (_wait(file, asked, count) for file, count in zip(files, labels, strict=True))
            _write(whole, asked, sum(labels), made)
    records = _wait(whole, asked, sum(labels))
    if share.process == 0:
        _remove_parts(folder)
    targets: list[MappedTargets | None] = [None] * len(rows)
    start = 0
    for index in (index for chunk in chunks for index in chunk):
        end = start + rows[index].label_tokens
        targets[index], start = MappedTargets(records, start, end), end
    given = iter(targets)
    return replace(
        items, items=tuple(tuple(replace(row, targets=next(given)) for row in item) for item in items.items)
    )


def bytes_of(items: EncodedItems, asked: Asked) -> int:
    """What the targets of all label tokens take on the disk."""
    return asked.record.itemsize * sum(row.label_tokens for item in items.items for row in item)


def rows_digest(items: EncodedItems) -> str:
    """SHA-256 of every row's ids and where its labels begin."""
    whole = hashlib.sha256()
    for item in items.items:
        for row in item:
            whole.update(np.array([row.prompt_length, len(row.ids), *row.ids[:]], "<i8").tobytes())
    return whole.hexdigest()


def _chunks(rows: Sequence[EncodedRow]) -> Iterator[list[int]]:
    """Indices of the rows by length, the longest first, in lists of about CHUNK tokens: rows alone decide."""
    chunk: list[int] = []
    tokens = 0
    for index in sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i)):
        chunk.append(index)
        tokens += len(rows[index].ids)
        if tokens >= CHUNK:
            yield chunk
            chunk, tokens = [], 0
    if chunk:
        yield chunk


def _told(model: Any, rows: Sequence[EncodedRow], asked: Asked, pad_id: int) -> NDArray[Any]:
    """The records of all label tokens of rows, one row after another."""
    ends = np.cumsum([row.label_tokens for row in rows])
    records = np.empty(int(ends[-1]), asked.record)
    tokens, todo = READ, list(range(len(rows)))
    while todo:
        (piece, *_) = micro_batch_plan([len(rows[index].ids) for index in todo], tokens)
        some = [todo[place] for place in piece]
        try:
            top, log_p = _top(model, [rows[index] for index in some], asked, pad_id)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            if len(some) == 1:
                raise UserError(
                    f"out of memory where the teacher reads {len(rows[some[0]].ids)} tokens",
                    "lower `max_tokens` of the student, or take a smaller teacher",
                ) from None
            tokens = max(1, len(rows[some[0]].ids) * len(some) // 2)
            continue
        start = 0
        for index in some:
            count = rows[index].label_tokens
            place = slice(int(ends[index]) - count, int(ends[index]))
            records["top"][place], records["log_p"][place] = (
                top[start : start + count],
                log_p[start : start + count],
            )
            start += count
        gone = set(some)
        todo = [index for index in todo if index not in gone]
    return records


@torch.no_grad()
def _top(
    model: Any, rows: Sequence[EncodedRow], asked: Asked, pad_id: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ids and log-probabilities, (label tokens, k) each, of rows that the model reads at once."""
    micro = micro_batch(rows, dict.fromkeys((row.training_task for row in rows), 0.0), pad_id)
    micro = micro.to(model.device)
    states, head = last_states(model, micro.ids, micro.labels != IGNORED)
    size = max(1, LOGITS // head.vocabulary)
    found = []
    for start in range(0, len(states), size):
        logits = head(states[start : start + size])[:, : asked.vocabulary]
        found.append(torch.log_softmax(logits / asked.temperature, dim=-1).topk(asked.k, dim=-1))
    top = torch.cat([indices for _, indices in found]).cpu().numpy()
    return top, torch.cat([values for values, _ in found]).float().cpu().numpy()


def _write(file: Path, asked: Asked, labels: int, parts: Iterable[NDArray[Any]]) -> None:
    """The records of so many labels, part after part, as one file."""
    about = {"descr": asked.record.descr, "fortran_order": False, "shape": (labels,)}
    try:
        with atomic(file) as out:
            np.lib.format.write_array_header_2_0(out, about)
            for part in parts:
                out.write(part.tobytes())
    except OSError as error:
        raise UserError(
            f"what the teacher finds likeliest cannot be kept: {file.parent}: {error.strerror}",
            "make room, or leave `top_k` out: the teacher then reads every step anew",
        ) from None


def _remove_parts(folder: Path) -> None:
    """Remove what the whole was made of, and what killed processes left half written."""
    for file in folder.iterdir():
        if file.name != WHOLE:
            file.unlink(missing_ok=True)


def _read(file: Path, asked: Asked, labels: int) -> NDArray[Any] | None:
    """None where there is no such file, or another one."""
    try:
        records = np.load(file, mmap_mode="r", allow_pickle=False)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    except OSError as error:
        raise UserError(
            f"what the teacher finds likeliest cannot be read: {file}: {error.strerror or error}"
        ) from None
    return records if records.dtype == asked.record and records.shape == (labels,) else None


def _wait(file: Path, asked: Asked, labels: int) -> NDArray[Any]:
    """The records of a file that another process may still be making."""
    began, before = time.monotonic(), 0
    while (records := _read(file, asked, labels)) is None:
        made = len(list(file.parent.glob("*.npy")))
        if made != before:
            began, before = time.monotonic(), made
        if time.monotonic() - began > PATIENCE:
            raise UserError(
                f"another process has read nothing for the teacher in {PATIENCE / 60:.0f} minutes",
                "see whether it still runs, and start the training again: what was read is kept",
            )
        time.sleep(WAIT)
    return records
