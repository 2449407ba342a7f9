"""The side table of a task: its fields with types, and what a name in its expressions means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nesyc.checks.items import ItemName
from nesyc.checks.kb_symbols import resolve_type
from nesyc.checks.references import dotted
from nesyc.checks.scope import EnumInfo
from nesyc.checks.symbols import Symbols
from nesyc.checks.types import UNKNOWN, Type
from nesyc.syntax import nodes as ast


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """Fields by name. `rows` is empty with `open_rows` where the dataset declares no row type."""

    name: str
    node: ast.Task
    dataset: str
    rows: Mapping[str, Type]
    open_rows: bool
    inputs: Mapping[str, Type]
    outputs: Mapping[str, Type]

    def metric_name(self, path: tuple[str, ...]) -> ItemName | None:
        """In a metric: an output if the task has it, else a row field; `row.x` is always the row's."""
        if len(path) == 2 and path[0] == "row":
            return self._row(path[1])
        if len(path) != 1:
            return None
        if path[0] in self.outputs:
            return ItemName("output", path[0], self.outputs[path[0]])
        return self._row(path[0]) or self.input_name(path)

    def _row(self, name: str) -> ItemName | None:
        if name in self.rows:
            return ItemName("row", name, self.rows[name])
        return ItemName("row", name, UNKNOWN) if self.open_rows else None

    def input_name(self, path: tuple[str, ...]) -> ItemName | None:
        """In a retrieval's query: an input."""
        if len(path) == 1 and path[0] in self.inputs:
            return ItemName("input", path[0], self.inputs[path[0]])
        return None

    def claim_type(self, name: str) -> Type | None:
        """In a claim: an output, an input or a row field."""
        for fields in (self.outputs, self.inputs, self.rows):
            if name in fields:
                return fields[name]
        return UNKNOWN if self.open_rows else None


def field_types(columns: tuple[ast.Column, ...], enums: Mapping[str, EnumInfo]) -> dict[str, Type]:
    """Types of the fields of a row, an input or an output."""
    return {column.name.text: resolve_type(column.type, enums) for column in columns}


def task_table(symbols: Symbols) -> dict[str, TaskInfo]:
    """Every task by name. A task without `on` is on the only dataset, where there is one."""
    found = {}
    for name, node in symbols.tasks.items():
        dataset = node.dataset.text if node.dataset else next(iter(symbols.datasets), "")
        declared = symbols.datasets.get(dataset)
        rows = field_types(declared.row, symbols.enums) if declared else {}
        found[name] = TaskInfo(
            name,
            node,
            dataset,
            rows,
            not rows,
            field_types(node.inputs, symbols.enums),
            field_types(node.outputs, symbols.enums),
        )
    return found


def first_target(task: TaskInfo) -> str | None:
    """The row's field that the first metric compares with the first parsed output."""
    pending = [task.node.metrics[0].value] if task.node.metrics else []
    output = task.node.parsers[0].output.text if task.node.parsers else ""
    while pending:
        expr = pending.pop()
        match expr:
            case ast.Call():
                pending.extend(argument.value for argument in expr.arguments)
            case ast.Binary(operator="=="):
                paths = [dotted(side) for side in (expr.left, expr.right)]
                names = [task.metric_name(path) for path in paths if path]
                scopes = {name.scope: name.name for name in names if name is not None}
                if scopes.get("output") == output and "row" in scopes:
                    return scopes["row"]
            case ast.Binary():
                pending.extend((expr.left, expr.right))
            case _:
                continue
    return None
