"""What a response says: the outputs of a task as typed values, and the task's verdict on them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nesyc_runtime.config import Task
from nesyc_runtime.expressions import is_true
from nesyc_runtime.inference.finders import find
from nesyc_runtime.inference.values import as_read, read_value


def parse_answer(task: Task, response: str) -> dict[str, Any]:
    """Every output of `task` as a typed value, None where the response does not give it.

    An output `reasoning` without a parser of its own is the text before the first parser's match (all of it
    where there is none). Never raises.
    """
    parsers = {parser.output: parser for parser in task.parsers}
    values: dict[str, Any] = {}
    for field in task.outputs:
        parser = parsers.get(field.name)
        if parser is not None:
            found = find(parser, response)
            values[field.name] = (
                None if found is None else read_value(found.text, parser.type, parser.constants)
            )
        elif field.name == "reasoning":
            values[field.name] = split_response(task, response)
        else:
            values[field.name] = read_value(response, field.type, ()) if not parsers else None
    return values


def item_correct(task: Task, row: Mapping[str, Any], response: str) -> bool:
    """The task's verdict on a response: its first metric's value for the item. An answer not found is wrong."""
    return verdict(task, row, parse_answer(task, response))


def verdict(task: Task, row: Mapping[str, Any], outputs: Mapping[str, Any]) -> bool:
    """The first metric of `task` for an item whose outputs are parsed already; False for a task without metrics."""
    if not task.metrics:
        return False
    return is_true(task.metrics[0].value, judged(row, row, outputs))


def judged(
    row: Mapping[str, Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """What a metric looks at: a row, its inputs, what was parsed of an answer; texts of the row as answers are read."""
    return {"row": {name: as_read(value) for name, value in row.items()}, "input": inputs, "output": outputs}


def split_response(task: Task, response: str) -> str:
    """The reasoning of a response: what stands before the answer match."""
    if not task.parsers:
        return response.strip()
    found = find(task.parsers[0], response)
    return (response if found is None else response[: found.start]).strip()
