"""Facts out to files of other tools and back: the same facts; and what a store reads like from outside."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import networkx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from samples import BOOL, INT, KIN, KIN_NAMES, NUMBER, PLACE, TEXT, at, atom, fact, kb, relation, rule, var
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc.ir.encode import encode
from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.exchange.exchange import export_rows
from nesyc_runtime.kb.exchange.export_files import write_facts
from nesyc_runtime.kb.exchange.networkx import graph_of
from nesyc_runtime.kb.exchange.tabular import to_csv, to_graphml, to_jsonl
from nesyc_runtime.kb.rules.evaluate import evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.store import Store, open_store

BASE = "urn:nesyc:test:"


def opened(kb_: ir.Kb, path: Path | None = None, files: dict[int, Path] | None = None) -> Store:
    store = open_store(path, config.Kb.model_validate(encode(kb_)), emit_program(kb_).to_json())
    sync_source(store, files)
    evaluate(store)
    return store


def maybe(type_: ir.Type) -> ir.Type:
    return ir.Type(type_.base, True, enum=type_.enum)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
numbers = st.floats(allow_nan=False, allow_infinity=False)
dates = st.dates().map(lambda day: day.isoformat())
VALUES = {"text": texts, "int": st.integers(-(2**63), 2**63 - 1), "number": numbers, "bool": st.booleans(),
          "date": dates, "enum": st.sampled_from(KIN_NAMES)}  # fmt: skip
MANY = (("a", TEXT), ("b", maybe(TEXT)), ("n", maybe(INT)), ("x", maybe(NUMBER)), ("sure", maybe(BOOL)),
        ("on", maybe(ir.Type("date"))), ("kin", maybe(KIN)), ("long", maybe(TEXT)),
        ("conf", maybe(TEXT)), ("owner", maybe(INT)))  # fmt: skip


def cells(columns: tuple[tuple[str, ir.Type], ...]) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    one = [st.none() | VALUES[t.base] if t.nullable else VALUES[t.base] for _, t in columns]
    return st.lists(st.tuples(*one), max_size=5, unique_by=repr)


def world(
    columns: tuple[tuple[str, ir.Type], ...], facts: list[tuple[Any, ...]], file: ir.FactFile | None = None
) -> ir.Kb:
    fulltext = ["long"] if any(name == "long" for name, _ in columns) else []
    return kb([relation("t", *columns, fulltext=fulltext)], [fact("t", *row) for row in facts], [], [],
              fact_files=[file] if file else [], enums=[ir.Enum("Kin", KIN_NAMES, at(1))])  # fmt: skip


def content(store: Store) -> list[Any]:
    return sorted(repr(tuple(row.values.values())) for row in export_rows(store, everything=True).rows)


def round_trip(
    folder: Path, form: str, columns: tuple[tuple[str, ir.Type], ...], facts: list[tuple[Any, ...]]
) -> None:
    loader, options = {
        "csv": ("csv", {}), "jsonl": ("jsonl", {}), "parquet": ("parquet", {}), "sqlite": ("sqlite", {"table": "t"}),
        "nt": ("triples", {"syntax": "ntriples", "base": BASE}), "ttl": ("triples", {"syntax": "turtle", "base": BASE}),
        "tsv": ("triples", {"syntax": "tsv"}),
    }[form]  # fmt: skip
    if len(columns) == 2 and loader == "triples":
        options = {**options, "predicate": "t"}
    path = folder / f"t.{form}"
    with opened(world(columns, facts)) as store:
        before = content(store)
        if form in ("csv", "jsonl"):
            export = export_rows(store, everything=True)
            path.write_text((to_csv if form == "csv" else to_jsonl)(export), encoding="utf-8", newline="")
        else:
            assert write_facts(store, form, ["t"], path, BASE) == {"t": len(before)}
    file = ir.FactFile("t", loader, ir.Path("", path.name), "0" * 64, 1.0, PLACE, "stop", {}, options)  # type: ignore[arg-type]
    with opened(world(columns, [], file), None, {0: path}) as again:
        assert content(again) == before


def quiet(function: Any) -> Any:
    return settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])(function)  # fmt: skip


@quiet
@example(facts=[("", None, None, None, None, None, None, "a\rb", None, None)], form="csv")
@given(facts=cells(MANY).filter(len), form=st.sampled_from(["csv", "jsonl", "parquet", "sqlite"]))
def test_any_relation_comes_back_from_tables(tmp_path: Path, facts: list[Any], form: str) -> None:
    round_trip(tmp_path, form, MANY, facts)


NAMED = (("a", TEXT), ("conf", TEXT), ("conf_", TEXT), ("Status", maybe(INT)))


@pytest.mark.parametrize("form", ["parquet", "sqlite"])
def test_what_stands_beside_the_columns_gets_names_of_its_own(tmp_path: Path, form: str) -> None:
    round_trip(tmp_path, form, NAMED, [("x", "y", "z", 3), ("p", "q", "r", None)])


def test_columns_that_sqlite_takes_for_one_are_told_apart(tmp_path: Path) -> None:
    with opened(world((("a", TEXT), ("A", INT)), [("x", 3)])) as store:
        assert write_facts(store, "sqlite", ["t", "t"], tmp_path / "out.db", BASE) == {"t": 1}
    with closing(sqlite3.connect(tmp_path / "out.db")) as outside:
        assert outside.execute("SELECT a, A_ FROM t").fetchall() == [("x", 3)]


@quiet
@given(data=st.data(), form=st.sampled_from(["nt", "ttl"]), last=st.sampled_from([TEXT, INT, NUMBER, BOOL, ir.Type("date"), KIN]), long=st.booleans(), two=st.booleans())  # fmt: skip
def test_triples_come_back_from_rdf(
    tmp_path: Path, data: st.DataObject, form: str, last: ir.Type, long: bool, two: bool
) -> None:
    end = ("long", TEXT) if long else ("o", last)
    columns = (("s", TEXT), end) if two else (("s", TEXT), ("p", TEXT), end)
    round_trip(tmp_path, form, columns, data.draw(cells(columns)))


@quiet
@given(facts=st.lists(st.tuples(*[st.text('ab é\\"', min_size=1, max_size=3)] * 3), unique=True, max_size=5))
def test_triples_come_back_from_lines(tmp_path: Path, facts: list[Any]) -> None:
    round_trip(tmp_path, "tsv", (("s", TEXT), ("p", TEXT), ("o", TEXT)), facts)


@pytest.mark.parametrize(
    ("form", "columns", "row"),
    [("tsv", (("a", TEXT), ("b", TEXT), ("c", TEXT)), ("x\ty", "b", "c")),
     ("tsv", (("a", TEXT), ("b", TEXT), ("c", TEXT)), ("\ufeffx", "b", "c")), ("nt", (("a", TEXT),), ("x",)),
     ("nt", (("a", TEXT), ("b", maybe(TEXT))), ("x", None)), ("tsv", (("a", TEXT),), ("x",))],
)  # fmt: skip
def test_what_a_form_cannot_say_is_refused_and_leaves_no_file(
    tmp_path: Path, form: str, columns: Any, row: Any
) -> None:
    with opened(world(columns, [row])) as store, pytest.raises(UserError):
        write_facts(store, form, ["t"], tmp_path / "out", BASE)
    assert list(tmp_path.iterdir()) == []


def path_kb(edges: list[tuple[str, str]], engine: str = "sqlite") -> ir.Kb:
    a, b, c = var("a"), var("b"), var("c")
    rules = [rule("base", atom("path", a, b), atom("edge", a, b)), rule("step", atom("path", a, c), atom("path", a, b), atom("edge", b, c))]  # fmt: skip
    relations = [
        relation("edge", ("a", TEXT), ("b", TEXT)),
        relation("path", ("a", TEXT), ("b", TEXT), derived=True),
    ]
    made = kb(relations, [fact("edge", *edge) for edge in edges], rules, [["path"]])
    return ir.Kb(**{**{n: getattr(made, n) for n in made.__dataclass_fields__}, "engine": engine})


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_every_table_and_view_reads_well_outside(tmp_path: Path, engine: str) -> None:
    """As Datasette and sqlite-utils read a file: through plain SQLite, no function of nesyc's at hand.

    The view of a large derived relation that DuckDB holds beside the store says so; an export has it with the others.
    """
    edges = [(f"n{i}", f"n{i + 1}") for i in range(110)]
    with opened(path_kb(edges, engine), tmp_path / "kb.db") as store:
        paths = store.execute('SELECT count(*) FROM "path.rows"').fetchone()[0]
        assert paths == 110 * 111 // 2
        assert bool(store.elsewhere.relations) == (engine == "duckdb")
        assert write_facts(store, "sqlite", (), tmp_path / "out.db", BASE) == {"edge": 110, "path": paths}
    for file, all_paths in (("kb.db", 1 if engine == "duckdb" else paths), ("out.db", paths)):
        outside = sqlite3.connect(f"file:{tmp_path / file}?mode=ro", uri=True)
        for (name,) in outside.execute(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view')"
        ).fetchall():
            outside.execute(f'SELECT * FROM "{name}" LIMIT 100').fetchall()
        assert outside.execute("SELECT a, b, conf FROM edge ORDER BY a LIMIT 1").fetchall() == [
            ("n0", "n1", 1.0)
        ]
        assert outside.execute("SELECT count(*) FROM path").fetchone()[0] == all_paths
        outside.close()


def test_a_relation_as_a_graph() -> None:
    columns = (("a", TEXT), ("b", TEXT), ("conf", INT), ("note", maybe(TEXT)))
    with opened(world(columns, [("x", "y", 3, None), ("x", "y", 4, "n"), ("y", "z", 5, "m")])) as store:
        graph = graph_of(store, "t")
        assert sorted(graph.nodes) == ["x", "y", "z"] and graph.number_of_edges("x", "y") == 2
        assert graph.get_edge_data("y", "z")[0] == {
            "relation": "t", "conf": 1.0, "origin": "human", "status": "accepted", "owner": "source:kb.nesy",
            "conf_": 5, "note": "m",
        }  # fmt: skip
        assert sorted(graph_of(store, "t", "note", "b").edges()) == [("m", "z"), ("n", "y")]
        with pytest.raises(UserError, match="`t` has no column `c`"):
            graph_of(store, "t", "c")
    with opened(path_kb([("x", "y"), ("y", "z")])) as store:
        assert graph_of(store, "path").get_edge_data("x", "z")[0] == {"relation": "path", "conf": 1.0}


def test_a_columns_name_is_no_part_of_how_a_graph_is_made() -> None:
    columns = (("a", TEXT), ("b", TEXT), ("key", INT), ("u_for_edge", INT), ("conf", INT), ("conf_", INT))
    with opened(world(columns, [("x", "y", 1, 2, 3, 4), ("x", "y", 1, 2, 5, 6)])) as store:
        edges = [about for *_, about in graph_of(store, "t").edges(data=True)]
        named = [(one["key"], one["u_for_edge"], one["conf"], one["conf_"], one["conf__"]) for one in edges]
        assert named == [(1, 2, 1.0, 3, 4), (1, 2, 1.0, 5, 6)]
        drawn = networkx.parse_graphml(to_graphml(export_rows(store, everything=True)), force_multigraph=True)
        told = [(one["key"], one["conf"], one["conf_"]) for *_, one in drawn.edges(data=True)]
        assert sorted(told) == [("1", 1.0, "3"), ("1", 1.0, "5")]


SPEC = """nesy 1
kb k {
  relation edge(a: text, b: text)
  derived back(a: text, b: text)
  facts edge { ("x", "y") }
  rule r: back(b, a) :- edge(a, b);
}
"""


def test_the_command_writes_files_and_says_how_many_facts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nesyc.yaml").touch()
    Path("k.nesy").write_text(SPEC, encoding="utf-8")

    def ran(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["kb", "export", *arguments])

    done = ran("--format", "nt", "--relation", "back", "--out", "back.nt")
    assert (done.exit_code, done.stdout) == (0, "1 fact of back\n")
    assert (
        Path("back.nt").read_text(encoding="utf-8")
        == "<urn:nesyc:k:y> <urn:nesyc:k:back> <urn:nesyc:k:x> .\n"
    )
    done = ran("--format", "sqlite", "--out", "all.db", "--json")
    assert json.loads(done.stdout) == {"v": 1, "kb": "k", "format": "sqlite", "rows": {"edge": 1, "back": 1}}
    assert ran("--format", "parquet", "--relation", "edge").exit_code != 0
    assert ran("--format", "parquet", "--out", "x.parquet").exit_code == 1
    assert ran("--format", "parquet", "--relation", "nope", "--out", "x.parquet").exit_code == 1
