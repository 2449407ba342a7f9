"""From the checked syntax tree and its side tables to the IR. Only for a spec without errors."""

from __future__ import annotations

from pathlib import PurePosixPath

from nesyc.checks.tables import Tables
from nesyc.ir import nodes
from nesyc.ir.context import Lowering, lower_enums
from nesyc.ir.lower_data import lower_datasets, lower_tasks
from nesyc.ir.lower_kb import lower_kb
from nesyc.ir.lower_models import lower_embedders, lower_students, lower_teachers
from nesyc.ir.lower_stages import lower_pipelines
from nesyc.ir.lower_tests import lower_tests
from nesyc.ir.lower_use import lower_answers, lower_evaluates, lower_retrieves


def lower(tables: Tables) -> nodes.Spec:
    """The typed IR with every name resolved and every default filled in."""
    to = Lowering(tables, tables.loaded.sources)
    path = tables.loaded.main.path
    return nodes.Spec(
        name=PurePosixPath(path).stem,
        path=path,
        params={name: constant.value for name, constant in tables.params.items()},
        enums=tuple(lower_enums(to)),
        teachers=lower_teachers(to),
        students=lower_students(to),
        embedders=lower_embedders(to),
        datasets=lower_datasets(to),
        tasks=lower_tasks(to),
        kbs=tuple(lower_kb(to, kb) for kb in tables.symbols.kbs.values()),
        retrieves=lower_retrieves(to),
        pipelines=lower_pipelines(to),
        answers=lower_answers(to),
        evaluates=lower_evaluates(to),
        tests=lower_tests(to),
    )
