"""How right a student in training answers the split that its stage selects on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.inference.answers import item_correct
from nesyc_runtime.stages.context import Context, task_inputs
from nesyc_runtime.stages.ports import Item, Reply, Score
from nesyc_runtime.stages.prompts import format_of, prompt_for, two_steps


def score_of(ctx: Context, stage: config.FinetuneStage) -> Score | None:
    """A function from `ask`, which answers prompts greedily, to the share of right items of `select`; None without one.

    Items are asked as an evaluation asks the trained student: in the format of its first training task, with what its
    `retrieve` gives. What the KB gives is looked up once. Raises `UserError` where the split is empty.
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
    given = list(zip(items, found, strict=True))

    def score(ask: Callable[[Sequence[str]], list[str]]) -> float:
        texts = ask([prompt_for(task, item, format_, knowledge) for item, knowledge in given])
        if format_.then is not None:
            prompts = [
                prompt_for(task, item, format_, knowledge, text)
                for (item, knowledge), text in zip(given, texts, strict=True)
            ]
            joined = zip(texts, ask(prompts), strict=True)
            texts = [two_steps(task, Reply(one, 0.0, 0), Reply(two, 0.0, 0)).text for one, two in joined]
        right = sum(item_correct(task, item.row, text) for item, text in zip(items, texts, strict=True))
        return right / len(items)

    return score
