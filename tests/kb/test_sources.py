"""Fact files of every form: what they give, and what is wrong with them."""

from __future__ import annotations

import csv
import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet
from samples import BOOL, INT, NUMBER, PLACE, TEXT, kb, relation

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.sources.pulled import NAME, pulled
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import open_store


def rows(path: Path, format: str, *columns: tuple[str, ir.Type], bad_rows: str = "reject",
         called: dict[str, str] | None = None, **options: str) -> list[Any]:  # fmt: skip
    """What a relation of these columns gets from the file, sorted."""
    given = {key.replace("__", " "): value for key, value in options.items()}
    file = ir.FactFile(
        "t", format, ir.Path("", path.name), "0" * 64, 1.0, PLACE, bad_rows, called or {}, given
    )  # type: ignore[arg-type]
    kb_ = kb([relation("t", *columns)], [], [], [], fact_files=[file])
    settings = config.Kb.model_validate(encode(kb_))
    with open_store(None, settings, emit_program(kb_).to_json()) as store:
        sync_source(store, {0: path}, path.parent / "rejects")
        names = ", ".join(name for name, _ in columns)
        return sorted(store.execute(f"SELECT {names} FROM t").fetchall(), key=repr)


def reasons(path: Path) -> list[tuple[str, str]]:
    with (path.parent / "rejects" / "t.csv").open(encoding="utf-8", newline="") as file:
        return [(row[1], row[2]) for row in list(csv.reader(file))[1:]]


THREE = (("s", TEXT), ("p", TEXT), ("o", TEXT))
NT = """# a comment
<http://ex.org/ann> <http://ex.org/knows> <http://ex.org/bob%20b> .
<http://ex.org/ann> <http://other.org/age> "41"^^<http://www.w3.org/2001/XMLSchema#integer> .
<http://ex.org/ann> <http://ex.org/name> "Ann \\"A\\" \\u00e9"@en .
<http://ex.org/ann> <http://ex.org/name> "Anne"@fr .
<http://ex.org/ann> <http://ex.org/name> no literal .
_:x1 <http://ex.org/knows> _:x1 .
<http://ex.org/half
"""


def test_ntriples_are_shortened_and_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "f.nt"
    file.write_text(NT, encoding="utf-8")
    found = rows(file, "triples", *THREE, syntax="ntriples", base="http://ex.org/", prefix__o="http://other.org/", language="en")  # fmt: skip
    assert found == [("_:x1", "knows", "_:x1"), ("ann", "knows", "bob b"), ("ann", "name", 'Ann "A" é'), ("ann", "o:age", "41")]  # fmt: skip
    assert [number for number, _ in reasons(file)] == ["6", "8"]
    assert all(reason.startswith("not N-Triples: ") for _, reason in reasons(file))


def test_one_predicate_fills_two_typed_columns(tmp_path: Path) -> None:
    file = tmp_path / "f.nt"
    file.write_text(NT + '<http://ex.org/bob> <http://other.org/age> "old" .\n', encoding="utf-8")
    found = rows(file, "triples", ("who", TEXT), ("age", INT), syntax="ntriples", base="http://ex.org/", prefix__o="http://other.org/", predicate="o:age")  # fmt: skip
    assert found == [("ann", 41)]
    assert ("9", "E0302: column `age` found 'old', expected an int of at most 64 bits") in reasons(file)


TTL = """@prefix ex: <http://ex.org/> .
ex:ann ex:knows ex:bob, [ ex:age 41 ] ; ex:sure true ; ex:weight 1.5e0 .
"""


def test_turtle_comes_as_its_parser_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "f.ttl"
    file.write_text(TTL, encoding="utf-8")
    found = rows(file, "triples", *THREE, syntax="turtle", base="http://ex.org/")
    assert found == [("_:1", "age", "41"), ("ann", "knows", "_:1"), ("ann", "knows", "bob"), ("ann", "sure", "true"), ("ann", "weight", "1.5")]  # fmt: skip
    assert rows(file, "triples", *THREE, syntax="turtle", base="http://ex.org/") == found
    file.write_text(TTL + "ex:ann ex:knows \x1b[31m oops\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"^f\.ttl:3: not Turtle: ") as caught:
        rows(file, "triples", *THREE, syntax="turtle")
    assert "\x1b" not in caught.value.message


def database(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.executescript(
            'CREATE TABLE "odd""; DROP TABLE x; --" ("a b" TEXT, n, sure INTEGER, "no""te" TEXT);'
            "CREATE TABLE x (n INTEGER); CREATE VIEW seen AS SELECT n FROM x; INSERT INTO x VALUES (1), (2);"
            """INSERT INTO "odd""; DROP TABLE x; --" VALUES ('x', 1, 1, NULL), ('y', 'two', 0, 'n'), (x'00', 3, 0, 'n'), ('z', 4, 7, 'n')"""
        )
    connection.close()


def test_tables_and_views_of_another_database(tmp_path: Path) -> None:
    file = tmp_path / "f.db"
    database(file)
    before = sorted(path.name for path in tmp_path.iterdir())
    columns = (("a", TEXT), ("n", INT), ("sure", BOOL), ("note", ir.Type("text", True)))
    found = rows(
        file, "sqlite", *columns, called={"a": "a b", "note": 'no"te'}, table='odd"; DROP TABLE x; --'
    )
    assert found == [("x", 1, 1, None)]
    assert [number for number, _ in reasons(file)] == ["2", "3", "4"]
    assert rows(file, "sqlite", ("n", INT), table="seen") == [(1,), (2,)]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "rejects"])


@pytest.mark.parametrize(
    ("table", "called", "message"),
    [("y", {}, "there is no table `y`"), ('x" --', {}, "there is no table"), ("x", {"n": "m"}, "E0505: column `m`"),
     ("x", {"n": 'n" FROM x; --'}, "E0505"), ("sqlite_master", {}, "there is no table"), ("X", {}, "there is no table")],
)  # fmt: skip
def test_names_that_a_database_does_not_have(
    tmp_path: Path, table: str, called: dict[str, str], message: str
) -> None:
    database(tmp_path / "f.db")
    with pytest.raises(UserError) as caught:
        rows(tmp_path / "f.db", "sqlite", ("n", INT), called=called, table=table)
    assert message in caught.value.message


def test_a_database_that_is_none_or_is_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f.db").write_bytes(b"no database" * 500)
    with pytest.raises(UserError, match=r"f\.db: cannot be read: file is not a database"):
        rows(tmp_path / "f.db", "sqlite", ("n", INT), table="x")
    database(tmp_path / "h.db")
    (tmp_path / "h.db-wal").write_bytes(b"x")
    with pytest.raises(UserError, match="another program has it open"):
        rows(tmp_path / "h.db", "sqlite", ("n", INT), table="x")


def statement(value: Any, type: str, rank: str = "normal") -> dict[str, Any]:
    return {"mainsnak": {"snaktype": "value", "datavalue": {"type": type, "value": value}}, "rank": rank}


def entity(id: str, **claims: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": id, "labels": {"en": {"language": "en", "value": f"label of {id}"}}, "claims": claims}


def item(id: str, rank: str = "normal") -> dict[str, Any]:
    return statement({"entity-type": "item", "id": id}, "wikibase-entityid", rank)


def time(text: str, precision: int) -> dict[str, Any]:
    return statement({"time": text, "precision": precision}, "time")


UNKNOWN = {"mainsnak": {"snaktype": "somevalue"}, "rank": "normal"}
ENTITIES = [
    entity("Q1", P22=[item("Q2"), item("Q3")], P569=[time("+1952-03-11T00:00:00Z", 11)]),
    entity("Q4", P22=[item("Q5", "deprecated"), item("Q6", "preferred"), item("Q7")], P569=[time("+1900-00-00T00:00:00Z", 9)]),
    entity("Q8", P22=[UNKNOWN]),
    entity("Q9"),
]  # fmt: skip


@pytest.mark.parametrize("array", [False, True])
def test_wikidata_entities_give_a_row_a_statement(tmp_path: Path, array: bool) -> None:
    lines = [json.dumps(one) for one in ENTITIES]
    text = (
        "[\n" + ",\n".join(lines) + "\n]\n"
        if array
        else "\n".join([*lines, "{broken", '{"no": "id"}']) + "\n"
    )
    file = tmp_path / "f.json"
    file.write_text(text, encoding="utf-8")
    columns = (("child", TEXT), ("name", TEXT), ("father", TEXT), ("born", ir.Type("date", True)))
    called = {"child": "id", "name": "label", "father": "P22", "born": "P569"}
    assert rows(file, "wikidata", *columns, called=called, language="en") == [
        ("Q1", "label of Q1", "Q2", "1952-03-11"), ("Q1", "label of Q1", "Q3", "1952-03-11"), ("Q4", "label of Q4", "Q6", None),
    ]  # fmt: skip
    if not array:
        assert [number for number, _ in reasons(file)] == ["5", "6"]


def test_values_of_wikidata(tmp_path: Path) -> None:
    one = entity("Q1", P1=[time("-0044-03-15T00:00:00Z", 11)], P2=[statement({"amount": "+5.5", "unit": "1"}, "quantity")],
                 P3=[statement({"text": "hé", "language": "fr"}, "monolingualtext")], P4=[statement("x", "string")],
                 P5=[statement({"latitude": 1.5, "longitude": -2}, "globecoordinate")], P6=[time("+1900-05-00T00:00:00Z", 10)])  # fmt: skip
    file = tmp_path / "f.json"
    file.write_text(json.dumps(one), encoding="utf-8")
    types = {"year": INT, "amount": NUMBER, "said": TEXT, "plain": TEXT, "at": TEXT, "month": TEXT}
    called = dict(zip(types, ("P1", "P2", "P3", "P4", "P5", "P6"), strict=True))
    assert rows(file, "wikidata", *types.items(), called=called, language="en") == [(-44, 5.5, "hé", "x", "1.5,-2", "1900-05")]  # fmt: skip


@pytest.mark.parametrize("format", ["csv", "jsonl", "parquet"])
def test_columns_have_other_names_in_a_file(tmp_path: Path, format: str) -> None:
    file = tmp_path / f"f.{format}"
    match format:
        case "csv":
            file.write_text("src,n,more\nx,1,q\n", encoding="utf-8")
        case "jsonl":
            file.write_text('{"src": "x", "n": 1}\n', encoding="utf-8")
        case _:
            parquet.write_table(pyarrow.table({"src": ["x"], "n": [1], "more": [2]}), file)
    assert rows(file, format, ("a", TEXT), ("n", INT), called={"a": "src"}) == [("x", 1)]
    with pytest.raises(UserError, match="E0505: column `from`"):
        rows(file, format, ("a", TEXT), ("n", INT), called={"a": "from"})
    note = ("b", ir.Type("text", True))  # nullable: it may be absent, but what the spec names is there
    assert rows(file, format, ("n", INT), note) == [(1, None)]
    if format == "jsonl":  # an object may leave out what is null
        assert rows(file, format, ("n", INT), note, called={"b": "beta"}) == [(1, None)]
    else:
        with pytest.raises(UserError, match="E0505: column `beta`"):
            rows(file, format, ("n", INT), note, called={"b": "beta"})


def test_what_a_callback_gets_comes_as_a_stream() -> None:
    given: list[int] = []

    def push(put: Any, end: int = 25_000, error: BaseException | None = None) -> None:
        for number in range(end):
            given.append(number)
            put(number)
        if error is not None:
            raise error

    assert list(pulled(push)) == list(range(25_000))
    given.clear()
    stream = pulled(push)
    assert [next(stream) for _ in range(3)] == [0, 1, 2]
    stream.close()  # type: ignore[attr-defined]
    assert not any(thread.name == NAME for thread in threading.enumerate()), "it ends where nobody listens"
    assert len(given) < 10_000
    found = []
    with pytest.raises(ValueError, match="broken"):
        for number in pulled(lambda put: push(put, 1500, ValueError("broken"))):
            found.append(number)
    assert found == list(range(1500)), "what came before the mistake"
    with pytest.raises(SystemExit, match="3"):
        list(pulled(lambda put: push(put, 5, SystemExit(3))))
