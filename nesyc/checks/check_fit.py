"""Whether parts that are named together fit: a retrieval and a task, a split and a task, a stage and what its task tells."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.check_use import evaluated_task
from nesyc.checks.items import ItemTypes
from nesyc.checks.kinds import POISON, Bound, Symbol
from nesyc.checks.messages import unknown_name
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.references import dotted, find_symbol
from nesyc.checks.tables import Tables
from nesyc.checks.tasks import TaskInfo
from nesyc.diagnostics import Diagnostic, Help, Related
from nesyc.diagnostics.span import Span


def check_fit(tables: Tables) -> Iterator[Diagnostic]:
    """E0201 and E0702 between declarations that are each sound by themselves."""
    told: set[str] = set()
    for stage in tables.stages.values():
        task = tables.tasks.get(stage.task)
        if stage.bound is None or task is None:
            continue
        yield from _retrieval(tables, stage.bound, task)
        if task.name not in told:
            found = list(_verdict(stage, stage.bound, task))
            told |= {task.name for _ in found}
            yield from found
        yield from _recorded(tables, stage.bound, task)
    for number, answer in enumerate(tables.symbols.answers):
        task = tables.tasks.get(answer.task.text)
        bound = tables.blocks["answer", str(number)]
        if task is not None:
            yield from _retrieval(tables, bound, task)
            yield from _claims(tables, bound, task)
    for name, evaluate in tables.symbols.evaluates.items():
        task = tables.tasks.get(evaluated_task(tables, evaluate) or "")
        if task is None:
            continue
        yield from _retrieval(tables, tables.blocks["evaluate", name], task)
        path = dotted(evaluate.split)
        split = find_symbol(tables.symbols, path, ("split",), {}) if path else None
        if split is not None and split.kind == "split":
            yield from rows_fit(tables, task, split, evaluate.split.span)


def rows_fit(tables: Tables, task: TaskInfo, split: Symbol, span: Span) -> Iterator[Diagnostic]:
    """The rows of a split of another dataset have the inputs of the task."""
    name = split.id.partition(".")[0]
    dataset = tables.symbols.datasets.get(name)
    if dataset is None or not task.dataset or name == task.dataset or not task.rows or not dataset.row:
        return
    fields = {column.name.text for column in dataset.row}
    missing = [field for field in task.inputs if field not in fields]
    if missing:
        message = f"`{split.id}` has no `{missing[0]}`, an input of task `{task.name}`"
        related = (Related(split.span, "declared here"), Related(task.node.name.span, "the task"))
        yield Diagnostic("E0702", message, span, "rows of another kind", related)


def _retrieval(tables: Tables, bound: Bound, task: TaskInfo) -> Iterator[Diagnostic]:
    """The query of a retrieval for another task speaks of inputs that this one has too."""
    named = bound.values.get("retrieve")
    declared = tables.symbols.retrieves.get(named.id) if isinstance(named, Symbol) else None
    if declared is None or declared.task.text == task.name or declared.task.text not in tables.tasks:
        return
    query = tables.blocks["retrieve", declared.name.text]["query"]
    if query is POISON:
        return
    items = ItemTypes(task.input_name, task.inputs, tables.symbols.enums, tables.params, noun="input")
    items.type_of(query)
    if items.problems:
        yield Diagnostic(
            "E0702",
            f"`{declared.name.text}` retrieves for task `{declared.task.text}`, here it is task `{task.name}`",
            bound.span_of("retrieve"),
            "for another task",
            (Related(query.span, f"{items.problems[0].message} in task `{task.name}`"),),
        )


def _verdict(stage: StageInfo, bound: Bound, task: TaskInfo) -> Iterator[Diagnostic]:
    """What counts as right is said by the first metric."""
    if bound.name == "sample" and bound["keep"] == "correct":
        why, place = "`keep = .correct`", bound.span_of("keep")
        help_ = "add `metric accuracy = mean(answer == FIELD)` to the task, or `keep = .all` here"
    elif bound.name == "mine_errors":
        why, place = "`mine_errors`", stage.node.call.function.span
        help_ = "add `metric accuracy = mean(answer == FIELD)` to the task"
    else:
        return
    if not task.node.metrics:
        message = f"{why} needs to know which answers are right, and task `{task.name}` has no metric"
        related = (Related(task.node.name.span, "the task"),)
        yield Diagnostic("E0702", message, place, "right by what?", related, help=Help(help_))


def _recorded(tables: Tables, bound: Bound, task: TaskInfo) -> Iterator[Diagnostic]:
    """Recorded answers are joined to rows by fields that the rows have."""
    teacher = bound.values.get("teacher")
    endpoint = tables.blocks["teacher", teacher.id]["endpoint"] if isinstance(teacher, Symbol) else None
    if not isinstance(endpoint, Bound) or endpoint.name != "recorded" or endpoint["join"] is POISON:
        return
    for name in endpoint["join"]:
        if task.rows and name.text not in task.rows:
            yield unknown_name(f"field of dataset `{task.dataset}`", name.text, name.span, task.rows)


def _claims(tables: Tables, bound: Bound, task: TaskInfo) -> Iterator[Diagnostic]:
    """A KB that is asked for contradictions has the relation of a claim."""
    reject = bound.values.get("reject")
    if not isinstance(reject, Bound) or not task.node.claims:
        return
    said = {claim.relation.text for claim in task.node.claims}
    for kb in (reject["kb"], *reject.rest):
        if isinstance(kb, Symbol) and not said & tables.symbols.kbs[kb.id].scope.relations.keys():
            related = tuple(Related(claim.span, "says something else") for claim in task.node.claims)
            message = f"no claim of task `{task.name}` says anything about kb `{kb.id}`"
            yield Diagnostic("E0604", message, bound.span_of("reject"), "nothing to contradict", related)
