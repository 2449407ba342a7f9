"""What a student in training is asked of the split that its stage selects on."""

from __future__ import annotations

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.exam import Exam, Question, read_of_row
from nesyc_runtime.stages.context import Context, task_inputs
from nesyc_runtime.stages.ports import Item
from nesyc_runtime.stages.prompts import format_of


def exam_of(ctx: Context, stage: config.FinetuneStage) -> Exam | None:
    """The items of `select`, asked as an evaluation asks the trained student; None where the stage selects on none.

    They are asked in the format of its first training task, with what its `retrieve` gives, looked up once. Raises `UserError`
    where the split is empty.
    """
    if stage.select is None:
        return None
    task, format_ = ctx.task(stage.task), format_of(stage)
    rows = ctx.data.split(stage.select).rows
    if not rows:
        raise UserError(f"stage `{stage.id}` selects on `{stage.select}`, which has no rows")
    items = [Item(row.id, task_inputs(task, row.values), row.values) for row in rows]
    found = (
        [None] * len(items)
        if format_.retrieve is None
        else ctx.found(format_.retrieve, items, training=False)
    )
    questions = tuple(
        Question(item.inputs, read_of_row(task, item.row), knowledge.text if knowledge is not None else None)
        for item, knowledge in zip(items, found, strict=True)
    )
    return Exam(task, format_.variant, format_.then, questions)
