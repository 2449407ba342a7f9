"""What a knowledge base on disk knows, for the language server: read only, briefly, or not at all."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nesyc.emit.sql.count import Counting
    from nesyc.ir import nodes

PATIENCE = 0.2
"""Seconds that one count may take."""


class StoredKbInfo:
    """Counts in the store that the last `run`, `test` or `query` left. It never makes, changes or waits for one."""

    def facts(self, spec: Path, kb: nodes.Kb, relation: str) -> int | None:
        """The rows that queries see, as last derived."""
        from nesyc.emit.sql.count import count_facts

        return _count(spec, kb, count_facts(kb, relation))

    def derived_by(self, spec: Path, kb: nodes.Kb, rule: nodes.Rule) -> int | None:
        """The different values that the rule's body gives to the variables of its head."""
        from nesyc.emit.sql.count import count_derived

        return _count(spec, kb, count_derived(kb, rule))


def _count(spec: Path, kb: nodes.Kb, counting: Counting) -> int | None:
    from nesyc.parsing.project import find_project

    try:
        from nesyc_runtime.kb.storage.store import open_read_only
    except ImportError:  # the compiler alone is installed
        return None
    sql, parameters = counting
    try:
        file = (spec.parent / kb.store).resolve()
        if not file.is_relative_to(find_project(spec).resolve()) or not file.is_file():
            return None
        with closing(open_read_only(file)) as connection:
            late = time.monotonic() + PATIENCE
            connection.set_progress_handler(lambda: time.monotonic() > late, 10_000)
            (count,) = connection.execute(sql, dict(parameters)).fetchone()
    except (sqlite3.Error, OSError, ValueError, OverflowError):
        return None  # another schema, locked, no store at all, too slow
    return int(count)
