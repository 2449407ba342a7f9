"""The peers, each in this process, from facts it holds to a derived relation it can be asked for."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from pathlib import Path

import clingo
import duckdb
import numpy as np

from bench.rule_tasks.tasks import Facts, Task


class Sqlite:
    """Semi-naive evaluation by ranges of row numbers, as a person writes it, in one transaction of a file."""

    def __init__(self, task: Task, facts: Facts, folder: Path) -> None:
        self.task = task
        self.file = folder / "peer.db"
        self._open()
        self.connection.execute("BEGIN")  # without it every row would be a transaction, flushed to the disk
        for name, rows in facts.items():
            columns = task.columns[name]
            listed = ", ".join(f"{column} INTEGER" for column in columns)
            self.connection.execute(
                f"CREATE TABLE {name} ({listed}, PRIMARY KEY ({', '.join(columns)})) WITHOUT ROWID"
            )
            self.connection.executemany(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", rows)
        self.connection.execute("COMMIT")
        self.close()

    def _open(self) -> None:
        self.connection = sqlite3.connect(self.file, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA cache_size = -65536")

    def derive(self) -> None:
        self._open()
        run = self.connection.execute
        run("BEGIN")
        for statement in self.task.base:
            run(statement)
        if self.task.seminaive is not None:
            table = self.task.base[-1].split(" INTO ")[1].split()[0]
            low, high = 0, self._last(table)
            while high > low:
                run(f"{self.task.seminaive} WHERE t.rowid > ? AND t.rowid <= ?", (low, high))
                low, high = high, self._last(table)
        for statement in self.task.finish:
            run(statement)
        run("COMMIT")

    def count(self) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {self.task.goal}").fetchone()[0])

    def _last(self, table: str) -> int:
        return int(self.connection.execute(f"SELECT ifnull(max(rowid), 0) FROM {table}").fetchone()[0])

    def close(self) -> None:
        self.connection.close()


class Duck:
    """Recursive CTEs of DuckDB, into a table of its file; facts lie there from the start."""

    def __init__(self, task: Task, facts: Facts, folder: Path) -> None:
        self.task, self.file = task, folder / "peer.duckdb"
        self.connection = duckdb.connect(str(self.file))
        for name, rows in facts.items():
            array = np.array(rows, dtype=np.int32)
            given = {column: array[:, i] for i, column in enumerate(task.columns[name])}
            self.connection.execute(f"CREATE TABLE {name} AS SELECT * FROM given").fetchall()
            del given
        self.connection.close()

    def derive(self) -> None:
        self.connection = duckdb.connect(str(self.file))
        for statement in self.task.duckdb:
            self.connection.execute(statement).fetchall()
        self.connection.execute("CHECKPOINT").fetchall()

    def count(self) -> int:
        return int(self.connection.execute(f"SELECT count(*) FROM {self.task.goal}").fetchall()[0][0])

    def close(self) -> None:
        self.connection.close()


class Clingo:
    """Grounding by clingo's library: its bottom-up evaluation; facts are read from text, which counts."""

    def __init__(self, task: Task, facts: Facts, folder: Path) -> None:
        lines = [f"{name}({','.join(map(str, row))})." for name, rows in facts.items() for row in rows]
        self.task, self.text = task, "\n".join([*lines, task.clingo])

    def derive(self) -> None:
        self.control = clingo.Control(["--warn=none"])
        self.control.add("base", [], self.text)
        self.control.ground([("base", [])])

    def count(self) -> int:
        arity = len(self.task.derived[self.task.goal])
        return sum(1 for _ in self.control.symbolic_atoms.by_signature(self.task.goal, arity))

    def close(self) -> None:
        del self.control


def souffle_seconds(task: Task, facts: Facts, folder: Path) -> float | None:
    """CPU seconds of a compiled Souffle program, reading and writing its files; None without `souffle`."""
    if shutil.which("souffle") is None:
        return None
    from bench.clock import command_cpu

    every = {**task.columns, **task.derived}
    text = [f".decl {name}({', '.join(f'{c}: number' for c in columns)})" for name, columns in every.items()]
    text += [f".input {name}" for name in facts] + [f".output {task.goal}"]
    text.append(task.clingo.replace(" not ", " !").replace(", not ", ", !").lower())
    for name, rows in facts.items():
        (folder / f"{name}.facts").write_text("\n".join("\t".join(map(str, row)) for row in rows) + "\n")
    (folder / "peer.dl").write_text("\n".join(text) + "\n")
    subprocess.run(["souffle", "-o", "peer", "peer.dl"], cwd=folder, check=True)
    return command_cpu([str(folder / "peer")], folder, repeats=1)
