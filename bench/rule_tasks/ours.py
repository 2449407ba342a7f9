"""The engine under test: a spec compiled from text, its facts loaded into the store, then the rules."""

from __future__ import annotations

import csv
from pathlib import Path

from bench.rule_tasks.tasks import Facts, Task
from nesyc.emit.sql import emit_program
from nesyc.ir.encode import encode
from nesyc.pipeline import check_spec
from nesyc_runtime import config
from nesyc_runtime.kb.rules.evaluate import Evaluated, evaluate
from nesyc_runtime.kb.sources.sync import sync_source
from nesyc_runtime.kb.storage.program import Program
from nesyc_runtime.kb.storage.rows import Claim, hold, interned, release
from nesyc_runtime.kb.storage.store import open_store


class Ours:
    """`engine` and `semantics` as a spec gives them; confidences of facts are uniform in [0.5, 1] where they count."""

    def __init__(
        self, task: Task, facts: Facts, folder: Path, engine: str = "auto", semantics: str = "boolean"
    ) -> None:
        for old in folder.glob("kb.db*"):
            old.unlink()
        self.task = task
        spec = folder / "bench.nesy"
        spec.write_text(_text(task, facts, engine, semantics, folder))
        checked = check_spec(spec)
        assert checked.spec is not None, checked
        (kb,) = checked.spec.kbs
        settings = config.Kb.model_validate(encode(kb))
        program = Program.model_validate(emit_program(kb).to_json())
        self._open = lambda: open_store(folder / "kb.db", settings, program)
        self.store = self._open()
        files = {i: folder / file.path.pattern for i, file in enumerate(settings.fact_files)}
        sync_source(self.store, files)
        if semantics != "boolean":
            rows = self.store.relation(next(iter(facts))).rows
            self.store.execute(f'UPDATE "{rows}" SET conf = 0.5 + (_row * 7919 % 1000) / 2000.0')
        self.store.close()

    def derive(self) -> Evaluated:
        """Open the store, whose facts are there, and derive."""
        self.store = self._open()
        return evaluate(self.store)

    def change(self, more: Facts, less: Facts) -> Evaluated:
        """Some facts more and some less, as a person adds and removes them, and what follows."""
        with self.store.writing():
            for name, rows in more.items():
                plan = self.store.relation(name)
                for row in rows:
                    hold(
                        self.store,
                        plan,
                        interned(self.store, plan, list(map(str, row))),
                        Claim("person", 1.0, "human"),
                    )
            for name, rows in less.items():
                plan = self.store.relation(name)
                where = " AND ".join(f'"{c}" = ?' for c in self.task.columns[name])
                for row in rows:
                    ids = [self.store.find_symbol(str(value)) for value in row]
                    found = self.store.execute(
                        f'SELECT _row, owner FROM "{plan.rows}" WHERE {where}', ids
                    ).fetchall()
                    for number, owner in found:
                        release(self.store, plan, number, self.store.text(owner))
            self.store.facts_changed()
        return evaluate(self.store)

    def count(self) -> int:
        rows = self.store.relation(self.task.goal).rows
        return int(self.store.execute(f'SELECT count(*) FROM "{rows}"').fetchone()[0])

    def close(self) -> None:
        self.store.close()


def _text(task: Task, facts: Facts, engine: str, semantics: str, folder: Path) -> str:
    lines = ["nesy 1", "kb bench {", f"  engine = {engine}", f"  semantics = {semantics}"]
    for name, rows in facts.items():
        columns = task.columns[name]
        lines.append(f"  relation {name}({', '.join(f'{c}: text' for c in columns)})")
        lines.append(f'  facts {name} from csv("{name}.csv")')
        with (folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(rows)
    for name, columns in task.derived.items():
        lines.append(f"  derived {name}({', '.join(f'{c}: text' for c in columns)})")
    return "\n".join([*lines, f"  {task.rules}", "}", ""])
