"""The splits of a dataset: loaded, typed, cut by hash, and kept apart from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import isclose

from nesyc_runtime import config
from nesyc_runtime.data.rows import (
    BadValue,
    Row,
    content_id,
    fingerprint,
    key_field,
    type_record,
)
from nesyc_runtime.data.sources import read_records
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import canonical_json, digest
from nesyc_runtime.project import Project
from nesyc_runtime.records import Record

SHOWN_ERRORS = 5


@dataclass(frozen=True, slots=True)
class LoadedSplit:
    """`shared` counts the rows left out because a held-out split has their like (E0605)."""

    id: str
    rows: tuple[Row, ...]
    shared: int = 0

    @property
    def digest(self) -> str:
        return digest([[row.id, row.values] for row in self.rows])


class Datasets:
    """Every split of a spec, each source read once. `limit` cuts each split to its first n rows."""

    def __init__(self, spec: config.Spec, project: Project, limit: int | None = None) -> None:
        self._spec, self._project, self._limit = spec, project, limit
        self._enums = {enum.name: enum.constants for enum in spec.enums}
        self._loaded: dict[str, LoadedSplit] = {}
        self._whole: dict[str, tuple[Row, ...]] = {}
        self._sources: dict[str, tuple[Row, ...]] = {}

    def split(self, name: str) -> LoadedSplit:
        """The rows of `dataset.split`, without those whose like stands in a held-out split or in dev.

        A held-out split itself is given whole. Raises `UserError` where data is missing or ill typed.
        """
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def declared(self, name: str) -> config.Split:
        """The declaration of a split by its full name (`d.train`)."""
        return self._find(name)[1]

    def whole(self, name: str) -> tuple[Row, ...]:
        """All rows of `dataset.split`, those that no stage reads too. Raises `UserError` as `split` does."""
        return self._all_rows(*self._find(name))

    def _load(self, name: str) -> LoadedSplit:
        dataset, split = self._find(name)
        rows = self._all_rows(dataset, split)
        guarded = [
            other for other in dataset.splits if other.name != split.name and rank(other) > rank(split)
        ]
        names = self._compared_fields(dataset)
        seen = {fingerprint(row.values, names) for other in guarded for row in self._all_rows(dataset, other)}
        kept = [row for row in rows if not seen or fingerprint(row.values, names) not in seen]
        shared = len(rows) - len(kept)
        limits = [limit for limit in (split.limit, self._limit) if limit is not None]
        return LoadedSplit(name, tuple(kept[: min(limits)] if limits else kept), shared)

    def _find(self, name: str) -> tuple[config.Dataset, config.Split]:
        for dataset in self._spec.datasets:
            for split in dataset.splits:
                if f"{dataset.name}.{split.name}" == name:
                    return dataset, split
        raise UserError(f"there is no split `{name}`")

    def _compared_fields(self, dataset: config.Dataset) -> list[str]:
        """The fields by which rows of two splits are the same: the inputs of the tasks on this dataset."""
        inputs = [
            field.name for task in self._spec.tasks if task.dataset == dataset.name for field in task.inputs
        ]
        return list(dict.fromkeys(inputs)) or [field.name for field in dataset.row if not field.key]

    def _all_rows(self, dataset: config.Dataset, split: config.Split) -> tuple[Row, ...]:
        name = f"{dataset.name}.{split.name}"
        if name not in self._whole:
            source = split.source
            rows = self._source_rows(dataset, source.source if source.kind == "hash_split" else source, name)
            if source.kind == "hash_split":
                rows = tuple(hash_part(rows, source))
            self._whole[name] = rows
        return self._whole[name]

    def _source_rows(
        self,
        dataset: config.Dataset,
        source: config.FileSource | config.GenerateSource | config.HubSource,
        name: str,
    ) -> tuple[Row, ...]:
        key = canonical_json(source.model_dump())
        if key not in self._sources:
            records = read_records(source, self._project)
            self._sources[key] = tuple(_typed(records, dataset, name, self._enums))
        return self._sources[key]


def rank(split: config.Split) -> int:
    """Which split keeps a row that two have: held-out ones before dev, dev before the rest."""
    return 2 if split.held_out else 1 if split.name == "dev" else 0


def hash_part(rows: Sequence[Row], source: config.HashSplitSource) -> Iterator[Row]:
    """The rows of one part of a `hash_split`.

    A row's place is the first 64 bits of SHA-256 over the canonical JSON list of its `by` fields, as a
    number in [0, 1); the shares, in the order written, lie end to end from 0. This is fixed for ever: a
    row never changes its part while its `by` fields stay. Rows come in the order of their place, so that
    the first n of a part are a fixed random sample of it.
    """
    low, high = part_bounds(source)
    placed = [(hash_place(row.values, source.by), index) for index, row in enumerate(rows)]
    for place, index in sorted(placed):
        if low <= place < high:
            yield rows[index]


def hash_place(values: Mapping[str, object], by: Sequence[str]) -> float:
    missing = [name for name in by if name not in values]
    if missing:
        raise UserError(f"hash_split: rows have no field `{missing[0]}`", "name fields of the row in `by`")
    text = canonical_json([values[name] for name in by])
    first = int.from_bytes(sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return (first >> 11) / (1 << 53)  # 53 bits: exact as a float, never rounded up to 1.0


def part_bounds(source: config.HashSplitSource) -> tuple[float, float]:
    total = sum(source.shares.values())
    if source.part not in source.shares or total > 1 + 1e-9 or min(source.shares.values()) < 0:
        raise UserError("hash_split: shares are between 0 and 1 and sum to at most 1")
    low = 0.0
    names = list(source.shares)
    for name in names:
        high = low + source.shares[name]
        if name == names[-1] and isclose(total, 1):
            high = 1.0
        if name == source.part:
            return low, high
        low = high
    raise AssertionError("the part is one of the shares")


def _typed(
    records: Iterator[Record], dataset: config.Dataset, name: str, enums: Mapping[str, tuple[str, ...]]
) -> Iterator[Row]:
    """Typed rows with unique ids; all ill-typed rows are counted, the first few shown."""
    key = key_field(dataset.row)
    bad: list[str] = []
    ids: Counter[str] = Counter()
    for record in records:
        try:
            values = type_record(record, dataset.row, enums)
            id_ = content_id(values) if key is None else str(values[key])
        except (BadValue, ValueError, TypeError) as error:
            bad.append(f"{record.place}: {printable(str(error))}")
            continue
        ids[id_] += 1
        if ids[id_] > 1 and key is not None:
            bad.append(f"{record.place}: key `{key}` = {printable(id_, 40)} stands twice")
            continue
        yield Row(id_ if ids[id_] == 1 else f"{id_}-{ids[id_]}", values)
    if bad:
        more = f"\n  … and {len(bad) - SHOWN_ERRORS} more" if len(bad) > SHOWN_ERRORS else ""
        shown = "\n  ".join(bad[:SHOWN_ERRORS])
        raise UserError(
            f"{len(bad)} rows of `{name}` do not fit `row (...)`:\n  {shown}{more}",
            f"mend the data, or the row type of dataset `{dataset.name}`",
        )
