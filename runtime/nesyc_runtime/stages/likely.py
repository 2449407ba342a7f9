"""The likeliest tokens of kept rationales, as a `sample` stage leaves them for a `finetune` stage."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nesyc_runtime.teachers.likely import Likely

LIKELY = "likely.parquet"


def write_table(file: Path, found: Mapping[tuple[str, str], Likely]) -> None:
    """By item and rationale; the columns are id, rationale, likely (bytes that `Likely.unpack` reads)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "id": pa.array([id_ for id_, _ in found], pa.string()),
        "rationale": pa.array([rationale for _, rationale in found], pa.string()),
        "likely": pa.array([likely.pack() for likely in found.values()], pa.binary()),
    }
    pq.write_table(pa.table(columns), file)


def read_table(file: Path) -> dict[tuple[str, str], Likely]:
    """What `write_table` wrote; empty where there is no such file."""
    import pyarrow.parquet as pq

    if not file.is_file():
        return {}
    columns = pq.read_table(file).to_pydict()
    rows = zip(columns["id"], columns["rationale"], columns["likely"], strict=True)
    return {(id_, rationale): Likely.unpack(data) for id_, rationale, data in rows}
