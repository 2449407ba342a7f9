"""Splits: reading, typing with places, hash splits, rows shared between splits, containment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc_runtime import config
from nesyc_runtime.data.rows import Row
from nesyc_runtime.data.splits import Datasets, hash_part, hash_place
from nesyc_runtime.errors import UserError
from nesyc_runtime.project import Project

PLACE = {"file": "s.nesy", "line": 1, "col": 1, "end_line": 1, "end_col": 2}
OTHER_SECTIONS = (
    *("teachers", "students", "embedders", "tasks", "kbs"),
    *("retrieves", "pipelines", "answers", "evaluates", "tests"),
)
ROW = [
    {"name": "id", "type": {"base": "text"}, "key": True},
    {"name": "q", "type": {"base": "text"}},
    {"name": "n", "type": {"base": "int"}},
]


def file_source(pattern: str, format: str = "jsonl", root: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": "file", "format": format, "path": {"root": root, "pattern": pattern}, **more}


def split(
    name: str, source: Mapping[str, Any], held_out: bool = False, limit: int | None = None
) -> dict[str, Any]:
    return {"name": name, "source": source, "held_out": held_out, "limit": limit, "location": PLACE}


def datasets(
    folder: Path, splits: Sequence[Mapping[str, Any]], row: Sequence[Mapping[str, Any]] = ROW, **more: Any
) -> Datasets:
    spec = config.Spec.model_validate(
        {
            "name": "s",
            "path": "s.nesy",
            "params": {},
            "enums": [],
            "datasets": [{"name": "d", "row": row, "splits": splits, "location": PLACE}],
            **dict.fromkeys(OTHER_SECTIONS, ()),
        }
    )
    return Datasets(spec, Project(folder, more.pop("roots", {})), **more)


def write(file: Path, rows: Sequence[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "q": f"question {i}", "n": i} for i in range(start, start + count)]


def test_jsonl_csv_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    write(tmp_path / "a.jsonl", rows(3))
    (tmp_path / "a.csv").write_text("id,q,n\n" + "".join(f"r{i},question {i},{i}\n" for i in range(3)))
    parquet.write_table(pyarrow.Table.from_pylist(rows(3)), tmp_path / "a.parquet")
    read = [
        datasets(tmp_path, [split("train", file_source(f"a.{format}", format))]).split("d.train")
        for format in ("jsonl", "csv", "parquet")
    ]
    assert read[0].rows == read[1].rows == read[2].rows
    assert [row.id for row in read[0].rows] == ["r0", "r1", "r2"]
    assert read[0].digest == read[2].digest


def test_json_files_in_name_order_with_stem_and_index(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"x": {"items": [{"q": name}, {"q": name * 2}]}}))
    source = file_source("*.json", "json", at="x.items", file_as="task", index_as="index")
    loaded = datasets(tmp_path, [split("all", source)], row=[]).split("d.all")
    assert [(r.values["task"], r.values["index"], r.values["q"]) for r in loaded.rows] == [
        ("a", 0, "a"),
        ("a", 1, "aa"),
        ("b", 0, "b"),
        ("b", 1, "bb"),
    ]


def test_all_bad_rows_are_counted_the_first_shown_with_file_and_line(tmp_path: Path) -> None:
    bad = [{"id": f"r{i}", "q": "x", "n": "many"} for i in range(7)]
    write(tmp_path / "a.jsonl", [*rows(1, 90), *bad])
    with pytest.raises(UserError) as error:
        datasets(tmp_path, [split("train", file_source("a.jsonl"))]).split("d.train")
    assert error.value.message.startswith("7 rows of `d.train`")
    assert "a.jsonl:2: field `n`" in error.value.message
    assert "a.jsonl:6" in error.value.message and "a.jsonl:7" not in error.value.message
    assert "2 more" in error.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"id": "a"}\n{"id": \n', "a.jsonl:2: not JSON"),
        (b"[1, 2]\n", "a.jsonl:1: found"),
        (b'{"id": "a", "q": "\xff", "n": 1}\n', "not UTF-8"),
        (b'{"id": "a", "q": "x", "n": NaN}\n', "NaN is not JSON"),
        (b'{"id": "a", "q": "x"}\n', "field `n` is missing"),
        (b'{"id":"a","q":"","n":1}\n{"id":"a","q":"y","n":2}\n', "stands twice"),
    ],
)
def test_damaged_files_say_where(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(UserError) as error:
        datasets(tmp_path, [split("train", file_source("a.jsonl"))]).split("d.train")
    assert said in error.value.message


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"E0205: no file matches `gone/x\.jsonl`"):
        datasets(tmp_path, [split("train", file_source("gone/x.jsonl"))]).split("d.train")


def test_no_path_leaves_the_project(tmp_path: Path) -> None:
    project, outside = tmp_path / "p", tmp_path / "secret.jsonl"
    project.mkdir()
    write(outside, rows(1))
    (project / "link.jsonl").symlink_to(outside)
    for pattern in ("../secret.jsonl", "link.jsonl", "*.jsonl", str(outside)):
        with pytest.raises(UserError, match="E0206"):
            datasets(project, [split("train", file_source(pattern))]).split("d.train")
    with pytest.raises(UserError, match="E0206"):
        datasets(project, [split("train", file_source("x", root="bench"))]).split("d.train")
    roots = {"bench": tmp_path}
    loaded = datasets(project, [split("t", file_source("secret.jsonl", root="bench"))], roots=roots)
    assert len(loaded.split("d.t").rows) == 1


def test_rows_of_a_held_out_split_leave_training(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", rows(10))
    shared = [{**row, "id": f"t{row['id']}", "q": f"  {row['q']} "} for row in rows(3)]
    write(tmp_path / "test.jsonl", shared)
    loaded = datasets(
        tmp_path,
        [split("train", file_source("train.jsonl"), limit=5), split("test", file_source("test.jsonl"), True)],
    )
    train, test = loaded.split("d.train"), loaded.split("d.test")
    assert [row.id for row in train.rows] == ["r3", "r4", "r5", "r6", "r7"]
    assert train.shared == 3
    assert len(test.rows) == 3 and test.shared == 0


def test_limit_cuts_each_split_but_guards_against_the_whole_test(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", rows(4))
    write(tmp_path / "test.jsonl", [{**row, "id": f"t{row['id']}"} for row in [*rows(3, 100), *rows(1)]])
    splits = [split("train", file_source("train.jsonl")), split("test", file_source("test.jsonl"), True)]
    loaded = datasets(tmp_path, splits, limit=2)
    assert [row.id for row in loaded.split("d.train").rows] == ["r1", "r2"]
    assert len(loaded.split("d.test").rows) == 2


def hash_source(part: str, shares: Mapping[str, float]) -> config.HashSplitSource:
    return config.HashSplitSource.model_validate(
        {"kind": "hash_split", "source": file_source("a.jsonl"), "by": ["q"], "shares": shares, "part": part}
    )


def test_the_place_of_a_row_never_changes() -> None:
    assert hash_place({"q": "question 1"}, ["q"]) == pytest.approx(0.0247015, abs=1e-6)
    assert hash_place({"q": "é", "n": 3}, ["q", "n"]) == pytest.approx(0.7189339, abs=1e-6)


@given(st.lists(st.text(), max_size=60), st.sampled_from([(0.8, 0.1, 0.1), (0.5, 0.5), (0.3, 0.3)]))
def test_parts_are_disjoint_and_whole_where_shares_sum_to_one(
    texts: list[str], shares: tuple[float, ...]
) -> None:
    named = {f"p{i}": share for i, share in enumerate(shares)}
    all_rows = [Row(str(i), {"q": text}) for i, text in enumerate(texts)]
    parts = [[row.id for row in hash_part(all_rows, hash_source(name, named))] for name in named]
    together = [id_ for part in parts for id_ in part]
    assert len(together) == len(set(together))
    if sum(shares) > 0.99:
        assert set(together) == {row.id for row in all_rows}


def test_a_row_keeps_its_part_when_others_come() -> None:
    shares = {"train": 0.8, "test": 0.2}
    some = [Row(str(i), {"q": f"question {i}"}) for i in range(200)]
    before = [row.id for row in hash_part(some[:100], hash_source("test", shares))]
    after = [row.id for row in hash_part(some, hash_source("test", shares))]
    assert [id_ for id_ in after if int(id_) < 100] == before
    assert 10 <= len(before) <= 30


def test_generate_calls_the_module_beside_the_spec(tmp_path: Path) -> None:
    (tmp_path / "make.py").write_text(
        "def rows(n, seed, word):\n    return [{'id': str(i), 'q': word, 'n': seed} for i in range(n)]\n"
    )
    source = {"kind": "generate", "target": "make:rows", "n": 3, "seed": 7, "arguments": {"word": "hi"}}
    loaded = datasets(tmp_path, [split("train", source)]).split("d.train")
    assert [dict(row.values) for row in loaded.rows] == [{"id": str(i), "q": "hi", "n": 7} for i in range(3)]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("os:system", "no module `os` beside the spec"),
        ("nothere:rows", "no module `nothere`"),
        ("make:gone", "has no function `gone`"),
        ("make:boom", "`make:boom` failed at make.py:2: ValueError: oh"),
        ("make:end", "`make:end` failed at make.py:6: SystemExit: 0"),
        ("make:number", "gave int, expected rows"),
        ("../make:rows", "not of the form"),
    ],
)
def test_generate_says_what_is_wrong(tmp_path: Path, target: str, said: str) -> None:
    (tmp_path / "make.py").write_text(
        "def boom(n, seed):\n    raise ValueError('oh')\ndef number(n, seed):\n    return 3\n"
        "def end(n, seed):\n    exit(0)\n"
    )
    source = {"kind": "generate", "target": target, "n": 3, "seed": 7, "arguments": {}}
    with pytest.raises(UserError) as error:
        datasets(tmp_path, [split("train", source)]).split("d.train")
    assert said in error.value.message
