"""DuckDB against the definition, on random programs; what it holds is read as if it were in the store."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from oracle import evaluate as oracle
from programs import compiled
from random_programs import generate
from running import ask, derived, open_kb
from samples import BOOL, INT, NUMBER, PLACE, TEXT, atom, compare, const, fact, kb, relation, rule, var

from nesyc.emit.sql import emit_program
from nesyc.ir import nodes as ir
from nesyc_runtime.errors import UserError
from nesyc_runtime.kb.proofs.contradictions import contradictions
from nesyc_runtime.kb.proofs.why import violations, why
from nesyc_runtime.kb.proofs.whynot import whynot
from nesyc_runtime.kb.rules import elsewhere
from nesyc_runtime.kb.rules.evaluate import engine_used, evaluate
from nesyc_runtime.kb.rules.trial import MoreThanExpected, Trial
from nesyc_runtime.kb.storage.program import StratumPlan
from nesyc_runtime.kb.storage.store import Store


@pytest.fixture(autouse=True)
def all_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", 0)


# what text functions look like: SQLite alone has these
DETAILS = re.compile(r"concat|length|matches|starts_with|contains|replace|upper|lower")


def by(engine: str, kb_: ir.Kb) -> ir.Kb:
    return dataclasses.replace(kb_, engine=engine)  # type: ignore[arg-type]


CHUNK = 400 if os.environ.get("NESYC_FUZZ") else 40


@pytest.mark.fuzz
@pytest.mark.parametrize("semantics", ["boolean", "max_min", "max_product"])
def test_duckdb_derives_what_the_language_says(semantics: str, tmp_path: Path) -> None:
    ran = 0
    for number in range(CHUNK):
        source = generate(number, semantics)
        plain = replace(source, rules=tuple(rule for rule in source.rules if not DETAILS.search(str(rule))))
        program = compiled(plain, tmp_path)
        if program is None or emit_program(program).bound_to:
            continue
        try:
            # half of them in a file, where DuckDB is brought the columns that rules read and no others
            with open_kb(by("duckdb", program), tmp_path / f"{number}.db" if number % 2 else None) as store:
                ran += engine_used(store)[0] == "duckdb"
                found = derived(store, program)
        except UserError:
            continue  # a sum too large, on either engine
        world = oracle(program)
        wanted = {(name, row): world.conf[name, row] for name, rows in world.seen.items() for row in rows}
        assert found == pytest.approx(wanted, abs=1e-12), str(plain)
    assert ran > CHUNK * 0.7


def ring(n: int, semantics: str = "boolean", *more: ir.Constraint) -> ir.Kb:
    x, y, z = var("x"), var("y"), var("z")
    return kb(
        [relation("e", ("a", TEXT), ("b", TEXT)), relation("tc", ("a", TEXT), ("b", TEXT), derived=True)],
        [fact("e", str(i), str((i + 1) % n), conf=0.9) for i in range(n)],
        [rule("one", atom("tc", x, y), atom("e", x, y)),
         rule("more", atom("tc", x, z), atom("tc", x, y), atom("e", y, z))],
        [["tc"]], semantics=semantics, constraints=more,
    )  # fmt: skip


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if "duckdb" in path.name)


def test_a_file_beside_the_store_is_read_like_the_store(tmp_path: Path) -> None:
    with open_kb(by("duckdb", ring(30)), tmp_path / "kb.db") as store:
        assert evaluate(store).ran is False
    assert len(files(tmp_path)) == 1
    with (
        open_kb(by("duckdb", ring(30)), tmp_path / "kb.db") as store,
        open_kb(by("sqlite", ring(30))) as plain,
    ):
        assert store.elsewhere.duck is None
        assert not evaluate(store).ran
        assert derived(store, ring(30)) == derived(plain, ring(30))
        x = var("x")
        literals = [atom("tc", const("0"), x), atom("e", x, const("7")), compare(x, "!=", const("1"))]
        assert ask(store, ring(30), *literals, columns=("x",)) == ask(
            plain, ring(30), *literals, columns=("x",)
        )
        given = "tc", ["0", "2"]
        assert why(store, *given) == why(plain, *given)


def test_an_evaluation_leaves_one_file_and_going_back_to_sqlite_none(tmp_path: Path) -> None:
    for n in (12, 13):
        open_kb(by("duckdb", ring(n)), tmp_path / "kb.db").close()
        assert len(files(tmp_path)) == 1
    open_kb(by("sqlite", ring(12)), tmp_path / "kb.db").close()
    assert files(tmp_path) == []


def test_what_does_not_fit_in_memory_lies_beside_the_store_and_a_store_closes_twice(tmp_path: Path) -> None:
    with open_kb(by("duckdb", ring(12)), tmp_path / "kb.db") as store:
        store.execute(COUNTED)
        assert store.elsewhere.duck is not None
        sql = "SELECT current_setting('temp_directory')"
        assert store.elsewhere.duck.connection.execute(sql).fetchall() == [
            (str(tmp_path / "kb.db.duckdb.tmp"),)
        ]
        store.close()


COUNTED = 'SELECT count(*) FROM "tc.rows"'


def test_a_damaged_file_is_derived_anew_or_told(tmp_path: Path) -> None:
    sample = by("duckdb", ring(12))
    with open_kb(sample, tmp_path / "kb.db") as store:
        before = store.execute(COUNTED).fetchone()
    (name,) = files(tmp_path)
    with (tmp_path / name).open("r+b") as file:
        file.truncate(5000)
    with open_kb(sample, tmp_path / "kb.db") as store:
        assert store.execute(COUNTED).fetchone() == before
    (other,) = files(tmp_path)
    assert other != name
    whole, head = (tmp_path / other).read_bytes(), 12_288  # bytes
    (tmp_path / other).write_bytes(whole[:head] + bytes(byte ^ 255 for byte in whole[head:]))
    with open_kb(sample, tmp_path / "kb.db") as store, pytest.raises(UserError, match="checksum") as told:
        store.execute('SELECT max(a), max(b) FROM "tc.rows"').fetchone()
    assert f"remove {other}" in told.value.help
    (tmp_path / other).write_bytes(b"x" * (tmp_path / other).stat().st_size)
    with open_kb(sample, tmp_path / "kb.db") as store, pytest.raises(UserError) as told:
        store.execute(COUNTED).fetchone()
    assert f"remove {other}" in told.value.help and str(tmp_path) not in told.value.message
    (tmp_path / other).unlink()
    with open_kb(sample, tmp_path / "kb.db") as store:
        assert store.execute(COUNTED).fetchone() == before


def test_files_that_are_not_its_own_stay(tmp_path: Path) -> None:
    others = ["kb.db.backup.duckdb", "kb.db.two.0a1b2c3d.duckdb", "kb.db.0a1b2c3d.duckdb.old"]
    for name in (*others, "kb.db.0a1b2c3d.duckdb", "kb.db.0a1b2c3d.duckdb.wal"):
        (tmp_path / name).write_text("")
    for engine in ("duckdb", "sqlite"):
        open_kb(by(engine, ring(12)), tmp_path / "kb.db").close()
        assert {name for name in files(tmp_path) if "0a1b2c3d" in name or "backup" in name} == set(others)


def test_a_store_that_another_process_derived_anew_reads_what_holds_now(tmp_path: Path) -> None:
    open_kb(by("duckdb", ring(12)), tmp_path / "kb.db").close()
    for engine in ("duckdb", "sqlite"):
        with open_kb(by("duckdb", ring(12)), tmp_path / "kb.db") as early:  # it has read nothing yet
            with open_kb(by(engine, ring(13)), tmp_path / "kb.db"):
                pass
            assert early.execute('SELECT count(*) FROM "tc.rows"').fetchone()[0] == 169


def test_a_file_that_is_gone_is_derived_again(tmp_path: Path) -> None:
    open_kb(by("duckdb", ring(12)), tmp_path / "kb.db").close()
    (name,) = files(tmp_path)
    (tmp_path / name).unlink()
    with open_kb(by("duckdb", ring(12)), tmp_path / "kb.db") as store:
        assert len(derived(store, ring(12))) == 12 + 12 * 12


def test_a_crash_before_the_commit_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_kb(by("duckdb", ring(12)), tmp_path / "kb.db").close()
    before = files(tmp_path)

    def crash(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(Store, "set_state", crash)
        with pytest.raises(KeyboardInterrupt):
            open_kb(by("duckdb", ring(13)), tmp_path / "kb.db")
    assert set(before) <= set(files(tmp_path))
    with open_kb(by("duckdb", ring(13)), tmp_path / "kb.db") as store:
        assert len(derived(store, ring(13))) == 13 + 13 * 13
    assert len(files(tmp_path)) == 1 and files(tmp_path) != before


def test_auto_turns_to_duckdb_where_more_is_derived_than_sqlite_is_quick_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with open_kb(ring(30)) as store:
        assert not store.elsewhere.relations
    monkeypatch.setattr("nesyc_runtime.kb.rules.trial.TELLING", 200)
    with open_kb(ring(30)) as store:
        assert store.elsewhere.relations == ("tc",)
        assert store.connection.execute('SELECT count(*) FROM "tc.rows"').fetchone() == (0,)
        assert len(derived(store, ring(30))) == 30 + 30 * 30


def test_auto_judges_a_recursion_by_how_its_rounds_shrink() -> None:
    stratum = SimpleNamespace(scans=(), relations=("r",))
    trial = Trial(cast(Store, None))
    trial.begin(cast(StratumPlan, stratum))
    trial.go_on([400, 300])
    trial.go_on([800, 700, 600])
    trial.go_on([9000, 3000, 1000])
    for long in ([600, 600], [3000, 2999], [15_000, 8000]):
        with pytest.raises(MoreThanExpected):
            trial.go_on(long)


def test_auto_counts_a_join_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = kb([relation("p", ("a", TEXT)), relation("q", ("a", TEXT), ("b", TEXT), derived=True)],
               [fact("p", str(i)) for i in range(40)],
               [rule("r", atom("q", var("x"), var("y")), atom("p", var("x")), atom("p", var("y")))], [["q"]])  # fmt: skip
    for most, engine in ((1600, "sqlite"), (1599, "duckdb")):
        monkeypatch.setattr("nesyc_runtime.kb.rules.trial.ROWS", most)
        with open_kb(pairs) as store:
            assert engine_used(store)[0] == engine
            assert len(store.execute('SELECT * FROM "q.rows"').fetchall()) == 1600


def test_rules_that_only_sqlite_runs_say_why() -> None:
    with open_kb(by("duckdb", ring(5, "top_proofs"))) as store:
        store.facts_changed()
        done = evaluate(store)
    assert (done.engine, done.why) == ("sqlite", "`top_proofs` keeps sets of leaves")


def test_without_a_duckdb_that_can_do_it_sqlite_derives_what_duckdb_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = by("duckdb", ring(9, "max_product"))
    open_kb(sample, tmp_path / "kb.db").close()
    monkeypatch.setattr("nesyc_runtime.kb.rules.engine._major", lambda: 1)
    with open_kb(sample, tmp_path / "kb.db") as store:
        assert engine_used(store) == ("sqlite", "duckdb 2.0 or later is not installed (nesyc[duckdb])")
        assert len(derived(store, sample)) == 9 + 81
    assert files(tmp_path) == []


WORDS = ["ß", "İstanbul", "n5", "a.b", "%", "x'y", "👩‍👩‍👧", "e\u0301", "N5\n", "1e20"]
NUMBERS = [1e20, 0.1, -2.5, 3.0, 1e-7, 123456789.125]


def applied(function: str, *terms: ir.Term, type_: ir.Type = TEXT) -> ir.Apply:
    return ir.Apply(function, terms, type_)


@pytest.mark.parametrize(
    "condition",
    [
        lambda a, n: compare(applied("upper", a), "==", const("SS")),
        lambda a, n: compare(applied("lower", applied("upper", a)), "!=", a),
        lambda a, n: compare(
            applied("matches", a, const(r"(?<=[nN])5$"), type_=BOOL), "==", const(True, BOOL)
        ),
        lambda a, n: compare(applied("matches", a, const(r"^n5\Z"), type_=BOOL), "==", const(True, BOOL)),
        lambda a, n: compare(applied("contains", a, const("%"), type_=BOOL), "==", const(True, BOOL)),
        lambda a, n: compare(applied("starts_with", a, const("e"), type_=BOOL), "==", const(True, BOOL)),
        lambda a, n: compare(applied("length", a, type_=INT), ">", const(1, INT)),
        lambda a, n: compare(
            applied("concat", n, const("/"), applied("length", a, type_=INT)), "!=", var("s")
        ),
        # "İ" is two signs in lower case
        lambda a, n: compare(
            applied("length", applied("lower", a), type_=INT), ">", applied("length", a, type_=INT)
        ),
        lambda a, n: compare(applied("concat", applied("lower", a), n), "!=", const("")),
        lambda a, n: compare(
            applied("contains", applied("concat", n), const("1.0e+20"), type_=BOOL), "==", const(True, BOOL)
        ),
    ],
)
def test_functions_of_texts_are_the_same_in_queries_and_constraints(condition: Any, tmp_path: Path) -> None:
    """They keep rules on SQLite, so a query is where DuckDB meets them."""
    a, n, s = var("a"), var("n", NUMBER), var("s")
    literals = [atom("d", a, n), atom("e", s, n), condition(a, n)]
    forbid = ir.Constraint("no", None, tuple(literals), True, PLACE, "d(a, n), ...")
    sample = kb(
        [relation("e", ("a", TEXT), ("n", NUMBER)), relation("d", ("a", TEXT), ("n", NUMBER), derived=True)],
        [fact("e", word, number) for word in WORDS for number in NUMBERS],
        [rule("r", atom("d", a, n), atom("e", a, n))], [["d"]], constraints=[forbid],
    )  # fmt: skip
    found = []
    for engine in ("duckdb", "sqlite"):
        with open_kb(by(engine, sample), tmp_path / f"{engine}.db") as store:
            assert engine_used(store)[0] == engine
            rows = ask(store, sample, *literals, columns=("a", "n", "s"))["rows"]
            found.append((sorted(map(str, rows)), len(violations(store, limit=0))))
    assert found[0] == found[1] and found[0][1] > 0


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
@pytest.mark.parametrize("where", ["rule", "query"])
def test_division_is_the_same_everywhere(where: str, engine: str, tmp_path: Path) -> None:
    """A number, also of whole numbers; the remainder has the sign of what is divided. By zero it is null, which is no row."""
    n, m, r, s = var("n", INT), var("m", INT), var("r", NUMBER), var("s", NUMBER)
    results = [
        applied("/", n, m, type_=NUMBER),
        applied("%", n, m, type_=INT),
        applied("/", r, s, type_=NUMBER),
        applied("%", r, s, type_=NUMBER),
        applied("/", applied("*", n, n, type_=INT), m, type_=NUMBER),
        applied("/", applied("/", r, s, type_=NUMBER), m, type_=NUMBER),
        applied("%", applied("%", r, s, type_=NUMBER), r, type_=NUMBER),
        applied("%", s, applied("*", n, m, type_=INT), type_=NUMBER),
        applied("%", n, applied("+", applied("*", m, m, type_=INT), const(1, INT), type_=INT), type_=INT),
    ]
    names = ("a", "b", "c", "d", "e", "f", "g", "h", "i")
    variables = [var(name, term.type) for name, term in zip(names, results, strict=True)]
    computed = [compare(v, "=", term) for v, term in zip(variables, results, strict=True)]
    e, d = atom("e", n, m, r, s), atom("d", n, m, r, s)
    columns = [("n", INT), ("m", INT), ("r", NUMBER), ("s", NUMBER)]
    found = [relation("g", *zip(names, (term.type for term in results), strict=True), derived=True)]
    values = [(7, 2, 7.5, 2.0), (-7, 2, -7.5, 2.0), (7, -2, 1e20, 7.0), (1, 0, 1.0, 3.0), (1, 3, 1.0, 0.0), (-1, -3, 0.3, -0.1)]  # fmt: skip
    sample = kb(
        [relation("e", *columns), relation("d", *columns, derived=True), *found],
        [fact("e", *row) for row in values],
        [rule("r", d, e), rule("s", atom("g", *variables), e, *computed)], [["d"], ["g"]],
    )  # fmt: skip
    with open_kb(by(engine, sample), tmp_path / "x.db") as store:
        assert engine_used(store)[0] == engine
        literals = [atom("g", *variables)] if where == "rule" else [d, *computed]
        rows = [row["values"] for row in ask(store, sample, *literals, columns=names)["rows"]]
    wanted = [
        [
            n / m,
            math.fmod(n, m),
            r / s,
            math.fmod(r, s),
            n * n / m,
            r / s / m,
            math.fmod(math.fmod(r, s), r),
            math.fmod(s, n * m),
            math.fmod(n, m * m + 1),
        ]
        for n, m, r, s in values
        if m and s
    ]
    assert sorted(rows) == sorted(wanted)


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_there_is_no_remainder_of_what_is_not_finite(engine: str, tmp_path: Path) -> None:
    r, s, t = var("r", NUMBER), var("s", NUMBER), var("t", NUMBER)
    sample = kb(
        [relation("e", ("r", NUMBER), ("s", NUMBER)), relation("d", ("r", NUMBER), ("s", NUMBER), derived=True)],
        [fact("e", 1e200, 2.0), fact("e", 3.0, 2.0)],
        [rule("r", atom("d", r, s), atom("e", r, s))], [["d"]],
    )  # fmt: skip
    square = applied("%", applied("*", r, r, type_=NUMBER), s, type_=NUMBER)
    with open_kb(by(engine, sample), tmp_path / "x.db") as store:
        found = ask(store, sample, atom("d", r, s), compare(t, "=", square), columns=("r", "t"))["rows"]
    assert [row["values"] for row in found] == [[3.0, 1.0]]


def test_a_value_no_column_holds_is_refused_on_either_engine() -> None:
    n, m = var("n", INT), ir.Apply("*", (var("n", INT), const(2**40, INT)), INT)
    large = kb([relation("e", ("n", INT)), relation("d", ("n", INT), derived=True)], [fact("e", 2**40)],
               [rule("r", atom("d", m), atom("e", n))], [["d"]])  # fmt: skip
    for engine in ("duckdb", "sqlite"):
        with pytest.raises(UserError, match="rule `r` computes a value that its column cannot hold"):
            open_kb(by(engine, large))


SQUARE = ir.Apply("*", (var("n", INT), var("n", INT)), INT)
NOTHING = ir.Apply("-", (SQUARE, SQUARE), INT)  # 0, by way of what 64 bits do not hold


@pytest.mark.parametrize("engine", ["duckdb", "sqlite"])
def test_whole_numbers_that_leave_64_bits_on_the_way_are_refused(engine: str) -> None:
    """SQLite makes reals of them: nothing would be told where the end of the computation fits again."""
    n, x, y = var("n", INT), var("x", INT), var("y", INT)

    def world(*literals: ir.Literal, forbid: tuple[ir.Literal, ...] = (), large: bool) -> ir.Kb:
        forbids = (
            [ir.Constraint("no", None, (atom("e", n), *forbid), True, PLACE, "e(n), ...")] if forbid else []
        )
        return by(engine, kb([relation("e", ("n", INT)), relation("d", ("n", INT), derived=True)],
                             [fact("e", 2**40 if large else 2**20), fact("e", 3)],
                             [rule("r", atom("d", x), *literals)], [["d"]], constraints=forbids))  # fmt: skip

    def assign(name: ir.Var, value: ir.Term) -> ir.CompareLiteral:
        return compare(name, "=", value)

    summed = ir.AggregateLiteral("=", x, "sum", NOTHING, (atom("e", n),), (), PLACE, "x = sum(...)")
    ways = [
        (atom("e", n), assign(x, NOTHING)),
        (atom("e", n), assign(y, SQUARE), assign(x, ir.Apply("-", (y, y), INT))),
        (atom("e", n), assign(x, applied("length", applied("concat", SQUARE), type_=INT))),
        (summed,),
    ]
    for literals in ways:
        with open_kb(world(*literals, large=False)) as store:
            assert store.execute('SELECT count(*) FROM "d.rows"').fetchone()[0] > 0
        with pytest.raises(UserError, match="rule `r` computes a value that its column cannot hold"):
            open_kb(world(*literals, large=True))
    plain = (atom("e", n), assign(x, n))
    zero = (compare(NOTHING, "==", const(0, INT)),)
    with open_kb(world(*plain, forbid=zero, large=False)) as store:
        assert len(violations(store)) == 2
    large = world(*plain, forbid=zero, large=True)
    with open_kb(large) as store:
        with pytest.raises(UserError, match="`no` computes a value that is too large"):
            violations(store)
        with pytest.raises(UserError, match="the query computes a value that is too large"):
            ask(store, large, atom("e", n), *zero, columns=("n",))
        with pytest.raises(UserError, match="the query computes a value that is too large"):
            ask(store, large, atom("e", n), assign(y, SQUARE), columns=("y",))
        big = ask(store, large, atom("e", n), compare(SQUARE, ">", const(10, INT)), columns=("n",))
        assert [row["values"] for row in big["rows"]] == [[2**40]], (
            "what does not fit is greater than what does"
        )
    alike = (atom("e", n), compare(SQUARE, "=", ir.Apply("+", (SQUARE, const(3, INT)), INT)), assign(x, n))
    with open_kb(world(*alike, large=False)) as store:
        assert store.execute('SELECT count(*) FROM "d.rows"').fetchone() == (0,)
    with pytest.raises(UserError, match="rule `r` computes a value that its column cannot hold"):
        open_kb(world(*alike, large=True))  # as reals the two would be one
    filtered = (
        atom("e", n),
        assign(y, SQUARE),
        assign(x, ir.Apply("-", (y, const(1, INT)), INT)),
        compare(n, "<", const(9, INT)),
    )
    with open_kb(world(*filtered, large=True)) as store:
        assert store.execute('SELECT n FROM "d.rows"').fetchall() == [(8,)]
        with pytest.raises(UserError, match="computes a value that is too large"):
            whynot(store, "d", (7,))


@pytest.mark.parametrize("small", [0, 5_000])  # rows below which DuckDB's are copied into the store
@pytest.mark.parametrize("operator", ["*", "-"])
def test_a_number_that_is_not_finite_is_refused_on_either_engine(
    operator: str, small: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", small)
    n = var("n", NUMBER)
    square = ir.Apply("*", (n, n), NUMBER)
    value = square if operator == "*" else ir.Apply("-", (square, square), NUMBER)
    large = kb([relation("e", ("n", NUMBER)), relation("d", ("n", NUMBER), derived=True)], [fact("e", 1e300), fact("e", 2.0)],
               [rule("r", atom("d", value), atom("e", n)), rule("s", atom("d", square), atom("e", n))], [["d"]])  # fmt: skip
    for engine in ("duckdb", "sqlite"):
        with pytest.raises(UserError, match=r"a rule gives `d\.n` a number that is not finite"):
            open_kb(by(engine, large), tmp_path / f"{engine}.db")


def test_a_claim_is_supposed_beside_what_the_file_holds(tmp_path: Path) -> None:
    forbid = ir.Constraint("acyclic", None, (atom("tc", var("x"), var("x")), atom("e", var("x"), const("loop"))), True,
                           PLACE, "tc(x, x), e(x, _)")  # fmt: skip
    sample = by("duckdb", ring(9, "boolean", forbid))
    with open_kb(sample, tmp_path / "kb.db") as store:
        assert violations(store) == []
        assert contradictions(store, [("e", ("3", "loop"))])[0].by == "acyclic"
        assert violations(store) == []
    path = ir.Constraint("path", None, (atom("tc", var("x"), const("end")),), True, PLACE, "tc(x, _)")
    with open_kb(by("duckdb", ring(9, "boolean", path)), tmp_path / "kb.db") as store:
        assert contradictions(store, [("tc", ("3", "end"))])[0].by == "path"
        assert contradictions(store, [("tc", ("3", "4"))]) == []
        assert violations(store) == []
        assert len(derived(store, sample)) == 9 + 81


def test_the_file_is_no_use_without_the_store_that_names_it(tmp_path: Path) -> None:
    """A copy of the store alone derives again: nothing is taken for done that cannot be read."""
    open_kb(by("duckdb", ring(9)), tmp_path / "kb.db").close()
    (tmp_path / "copy").mkdir()
    with sqlite3.connect(tmp_path / "kb.db") as source, sqlite3.connect(tmp_path / "copy/kb.db") as target:
        source.backup(target)
    source.close()
    target.close()
    with open_kb(by("duckdb", ring(9)), tmp_path / "copy/kb.db") as store:
        assert len(derived(store, ring(9))) == 9 + 81


def test_a_view_says_where_its_rows_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "SMALL", 100)
    path = tmp_path / "kb.db"
    open_kb(by("duckdb", ring(12)), path).close()
    with sqlite3.connect(path) as plain:
        (row,) = plain.execute("SELECT rows, place FROM tc").fetchall()
        assert row == (144, f"in {files(tmp_path)[0]} beside this file")
        with pytest.raises(sqlite3.OperationalError, match="no such column"):
            plain.execute("SELECT a FROM tc")
    open_kb(by("duckdb", ring(9)), path).close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(DISTINCT a || b) FROM tc").fetchone() == (81,), (
            "and is shown as it was"
        )
    open_kb(by("duckdb", ring(12)), path).close()
    open_kb(by("sqlite", ring(12)), path).close()
    with sqlite3.connect(path) as plain:
        assert plain.execute("SELECT count(a) FROM tc").fetchone() == (144,)


def test_a_view_shows_what_sqlite_derived_anew(tmp_path: Path) -> None:
    path = tmp_path / "kb.db"
    open_kb(by("duckdb", ring(12)), path).close()
    open_kb(by("sqlite", ring(12)), path).close()
    with closing(sqlite3.connect(path)) as outside:
        assert outside.execute("SELECT count(*), count(a) FROM tc").fetchone() == (144, 144)
