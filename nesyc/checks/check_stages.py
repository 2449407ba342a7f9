"""Stages: cycles, weights, examples that lack what a training task needs, the KB a rule stage writes to."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.checks.check_fit import rows_fit
from nesyc.checks.items import ItemTypes
from nesyc.checks.kinds import Bound, Located, Symbol
from nesyc.checks.messages import unknown_name
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.stage_order import check_stage_cycles, target_kb, united, validated_model
from nesyc.checks.tables import Tables
from nesyc.checks.tasks import first_target
from nesyc.diagnostics import Diagnostic, Help, Related, counted
from nesyc.syntax import nodes as ast

# Training tasks that learn from a rationale; a dataset's own rows have none.
NEED_RATIONALE = frozenset({"direct", "rationale", "answer_given", "augmented", "explain"})
READ_KNOWLEDGE = frozenset({"augmented", "augmented_answer"})


def check_stages(tables: Tables) -> Iterator[Diagnostic]:
    """E0201, E0308, E0701 and E0702 of the pipelines."""
    yield from check_stage_cycles(tables)
    for stage in tables.stages.values():
        if stage.bound is None:
            continue
        match stage.bound.name:
            case "finetune":
                yield from _check_finetune(tables, stage, stage.bound)
            case "mine_errors":
                yield from _check_mine_errors(tables, stage, stage.bound)
            case "extract":
                yield from _check_extract(tables, stage.bound)
            case "induce":
                yield from _check_induce(tables, stage.bound)
            case "validate":
                yield from _check_validate(tables, stage.bound)
            case _:
                continue


def _check_finetune(tables: Tables, stage: StageInfo, bound: Bound) -> Iterator[Diagnostic]:
    tasks, weights, data = bound["tasks"], bound["weights"], bound["data"]
    if isinstance(tasks, tuple) and len(set(tasks)) != len(tasks):
        yield Diagnostic("E0308", "a training task stands twice", bound.span_of("tasks"), "named twice")
    if isinstance(tasks, tuple) and not tasks:
        yield Diagnostic("E0308", "no training task is named", bound.span_of("tasks"), "nothing to learn")
    if isinstance(tasks, tuple) and isinstance(weights, tuple) and len(tasks) != len(weights):
        message = f"{counted(len(weights), 'weight')} for {counted(len(tasks), 'task')}"
        related = (Related(bound.span_of("tasks"), "the tasks"),)
        yield Diagnostic("E0308", message, bound.span_of("weights"), "one weight for each task", related)
    if isinstance(weights, tuple) and weights and not any(weights):
        yield Diagnostic("E0308", "all weights are 0", bound.span_of("weights"), "nothing to learn")
    if bound["student"] is None and bound["model"] is None:
        message = "`finetune` needs a student or a model to train"
        help_ = Help("add `student = NAME`, or `model = STAGE` to train on")
        yield Diagnostic("E0308", message, bound.span, "no `student`", help=help_)
    yield from _check_retrieval(tables, bound)
    for symbol in data if isinstance(data, tuple) else ():
        if symbol.kind != "split":
            continue
        needing = [name for name in tasks if name in NEED_RATIONALE] if isinstance(tasks, tuple) else []
        if needing:
            yield Diagnostic(
                "E0702",
                f"the rows of `{symbol.id}` have no rationale for `.{needing[0]}` to learn from",
                bound.span_of("data"),
                "a split of a dataset",
                (Related(symbol.span, "declared here"), Related(bound.span_of("tasks"), "the tasks")),
                help=Help("sample rationales from a teacher first, or train `.answer` only"),
            )
        else:
            yield from _check_gold(tables, stage, bound, symbol)
        yield from _same_dataset(tables, stage, bound, "data", symbol)


def _check_gold(tables: Tables, stage: StageInfo, bound: Bound, split: Symbol) -> Iterator[Diagnostic]:
    """A split trains on its right answers: the first metric says which field holds them."""
    task = tables.tasks.get(stage.task)
    if task is None or not task.node.parsers or first_target(task) is not None:
        return
    for metric in task.node.metrics[:1]:
        items = ItemTypes(task.metric_name, (), tables.symbols.enums, tables.params)
        if not isinstance(metric.value, ast.Call) or not metric.value.arguments:
            return
        items.type_of(metric.value.arguments[0].value)
        if items.problems:
            return  # what is wrong with the metric is said there
    related = (Related(split.span, "declared here"), Related(task.node.name.span, "the task"))
    yield Diagnostic(
        "E0702",
        f"task `{task.name}` does not say which field of `{split.id}` is the right answer",
        bound.span_of("data"),
        "a split of a dataset",
        related,
        help=Help("add `metric accuracy = mean(answer == FIELD)` to the task"),
    )


def _check_retrieval(tables: Tables, bound: Bound) -> Iterator[Diagnostic]:
    tasks, retrieve = bound["tasks"], bound["retrieve"]
    reading = [name for name in tasks if name in READ_KNOWLEDGE] if isinstance(tasks, tuple) else []
    if reading and retrieve is None:
        message = f"`.{reading[0]}` learns from retrieved knowledge, but nothing is retrieved"
        known = ", ".join(tables.symbols.retrieves) or "NAME"
        help_ = Help(f"add `retrieve = {known}`")
        yield Diagnostic("E0308", message, bound.span_of("tasks"), "no `retrieve`", help=help_)
    if isinstance(bound["fade"], Bound) and isinstance(tasks, tuple) and not reading:
        message = "no task of this stage reads knowledge that could fade"
        help_ = Help("add `.augmented` to `tasks`, or leave `fade` out")
        yield Diagnostic("E0308", message, bound.span_of("fade"), "fades nothing", help=help_)


def _check_mine_errors(tables: Tables, stage: StageInfo, bound: Bound) -> Iterator[Diagnostic]:
    data = bound["data"]
    if not isinstance(data, Symbol):
        return
    yield from _same_dataset(tables, stage, bound, "data", data)
    dataset = tables.symbols.datasets.get(data.id.partition(".")[0])
    fields = [column.name.text for column in dataset.row] if dataset else []
    for name in bound["by"] if isinstance(bound["by"], tuple) else ():
        if fields and name.text not in fields:
            yield unknown_name("field of the row", name.text, name.span, fields)


def _same_dataset(
    tables: Tables, stage: StageInfo, bound: Bound, key: str, split: Symbol
) -> Iterator[Diagnostic]:
    """A pipeline's stages read the dataset of its task, or one with the same inputs."""
    task = tables.tasks.get(stage.task)
    if task is not None:
        yield from rows_fit(tables, task, split, bound.span_of(key))


def _check_extract(tables: Tables, bound: Bound) -> Iterator[Diagnostic]:
    into = bound["into"]
    if not isinstance(into, Symbol):
        return
    kb, _, name = into.id.partition(".")
    relation = tables.symbols.kbs[kb].scope.relations[name]
    if relation.derived:
        message = f"`{into.id}` is derived, a stage cannot write it"
        related = (Related(into.span, "declared here"),)
        help_ = Help(f"declare it `relation {name}(...)`")
        yield Diagnostic("E0702", message, bound.span_of("into"), "derived", related, help=help_)


def _check_induce(tables: Tables, bound: Bound) -> Iterator[Diagnostic]:
    if isinstance(bound["into"], Located) and target_kb(tables, bound) is None:
        message = "no KB includes the file that the rules are written to"
        help_ = Help("include it in a KB, or say `kb = NAME`")
        yield Diagnostic("E0308", message, bound.span_of("into"), "of which KB?", help=help_)


def _check_validate(tables: Tables, bound: Bound) -> Iterator[Diagnostic]:
    validated = united(bound["of"])
    if len({symbol.kind for symbol in validated}) > 1:
        related = tuple(Related(symbol.span, f"gives {symbol.kind}") for symbol in validated)
        message = "entries and rules cannot be united"
        help_ = Help("validate each by a stage of its own")
        yield Diagnostic("E0702", message, bound.span_of("of"), "of two kinds", related, help=help_)
    elif validated and bound["model"] is None and validated_model(tables.stages, bound) is None:
        message = "`validate` needs the model whose answers it measures"
        yield Diagnostic("E0308", message, bound.span, "no `model`", help=Help("add `model = STAGE`"))
