"""`nesyc show batch`: the first optimizer steps of a finetune stage, made as its training makes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import Stopped, UserError
from nesyc_runtime.files import printable
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import lessons_of, training_examples
from nesyc_runtime.stages.graph import Node, all_stages, build_graph, select, short_names
from nesyc_runtime.stages.keys import node_inputs, stage_key
from nesyc_runtime.stages.review import review_command, waits_for_review
from nesyc_runtime.stages.run import put_in_place, shown_name

if TYPE_CHECKING:
    from nesyc_runtime.learning.shown import ShownRow


def show_batch(ctx: Context, name: str, *, steps: int, limit: int) -> dict[str, Any]:
    """The object of the `show batch` contract: at most `limit` rows (0: all) of the first `steps` steps.

    The KB is brought in step with the source; nothing is trained. Raises `UserError` where the spec trains no such
    stage, or what the stage reads is not there yet; `Stopped` where it waits for a review.
    """
    stage = trained_stage(ctx.spec, name)
    _find_inputs(ctx, stage)
    data, tokenizer, cut = _data(ctx, stage)
    total = len(data.steps)
    shown = min(steps, total)
    rows = list(_rows(data, tokenizer, shown))
    kept = rows[:limit] if limit else rows
    return {
        "v": 1,
        "stage": stage.id,
        "student": stage.student,
        "items": len(data.steps.items),
        "batch": stage.batch,
        "steps": {"shown": shown, "total": total},
        "layout": {"packed": data.steps.layout.packed, "micro_tokens": data.steps.layout.micro_tokens},
        "cut": cut,
        "tokens": _tokens(rows),
        "rows": kept,
        "total": len(rows),
        "truncated": len(kept) < len(rows),
    }


def trained_stage(spec: config.Spec, name: str) -> config.FinetuneStage:
    """The finetune stage of an id or short name; raises `UserError` with what there is where it is none."""
    stages, short = all_stages(spec), short_names(spec)
    found = next((stage for id_, stage in stages.items() if name in (id_, short[id_])), None)
    if isinstance(found, config.FinetuneStage):
        return found
    trained = [short[id_] for id_, stage in stages.items() if isinstance(stage, config.FinetuneStage)]
    there = f"these train: {', '.join(trained)}" if trained else "the spec has no finetune stage"
    if found is not None:
        raise UserError(f"`{name}` is no finetune stage, but {found.kind}", there)
    names = [*trained, *(id_ for id_, s in stages.items() if isinstance(s, config.FinetuneStage))]
    near = get_close_matches(name, dict.fromkeys(names), 3)
    help = f"did you mean {' or '.join(near)}?" if near else there
    raise UserError(f"there is no stage `{printable(name, 60)}`", help)


def _find_inputs(ctx: Context, stage: config.FinetuneStage) -> None:
    """Let `ctx.done` hold every stage this one reads, as the spec has them now."""
    nodes = build_graph(ctx.build)
    before = select(nodes, ctx.spec, nodes[stage.id].after) if nodes[stage.id].after else set()
    ctx.knowledge.prepare()
    for node in nodes.values():
        if node.id in before:
            _find(ctx, node, stage)


def _find(ctx: Context, node: Node, reader: config.FinetuneStage) -> None:
    key = ctx.keys[node.id] = stage_key(node_inputs(ctx, node))
    done = ctx.shelf.find(key)
    if done is None:
        last = ctx.shelf.last(node.id)
        why = "has changed since it was run" if last is not None else "has not run yet"
        # all it reads, not this one alone: what is done is done, and one command is enough
        selected = " ".join(f"--select {name}" for name in build_graph(ctx.build)[reader.id].after)
        raise UserError(
            f"`{reader.id}` learns from what `{shown_name(ctx, node)}` gives, which {why}",
            f"nesyc run {selected}",
        )
    ctx.done[node.id] = done
    put_in_place(ctx, node, done, source=False)
    if waits_for_review(ctx, node):
        raise Stopped(f"`{shown_name(ctx, node)}` waits for a review", review_command(node))


def _data(ctx: Context, stage: config.FinetuneStage) -> tuple[Any, Any, dict[str, int]]:
    """The data module of the stage's training, the tokenizer, and how many rows lost which part."""
    from nesyc_runtime.inference.formats import prompt_format
    from nesyc_runtime.learning.bases import load_outline, load_tokenizer
    from nesyc_runtime.learning.layouts import choose_layout
    from nesyc_runtime.learning.prepared import fade_out, import_module
    from nesyc_runtime.learning.rows import TrainingRow
    from nesyc_runtime.learning.token_files import encoded_once

    lessons = lessons_of(ctx, stage, training_examples(ctx, stage))
    if not lessons:
        raise UserError(
            f"stage `{stage.id}` has nothing to learn from: its examples are empty",
            "see why they were dropped in the stage table of `nesyc run`",
        )
    student = ctx.student(stage.student)
    tokenizer = load_tokenizer(student.base, ctx.project)
    try:
        template = prompt_format(tokenizer, student.template)
    except ValueError as error:
        raise UserError(f"student {student.name}: {error}") from None
    rows = [TrainingRow(le.id, le.inputs, le.response, le.answer, le.retrieved) for le in lessons]
    encode = partial(
        encoded_once, ctx.project, ctx.task(stage.task), rows, stage.tasks, template, student.max_tokens
    )
    items = encode()
    module = import_module(ctx.build.train_module(stage))
    data = module.Examples(items, pad_id=template.pad_id, seed=stage.seed)
    if stage.fade is not None:
        fade_out(data.steps, stage.fade, encode)
    outline = load_outline(student.base, ctx.project)
    data.steps.layout, _ = choose_layout(data.steps, outline.config, module.OPTIONS)
    return data, tokenizer, dict(items.cut)


def _rows(data: Any, tokenizer: Any, steps: int) -> Iterator[dict[str, Any]]:
    from nesyc_runtime.learning.shown import shown_rows

    for step in islice(range(len(data.steps)), steps):
        for row in shown_rows(data.steps[step], tokenizer):
            yield _row(step + 1, row)


def _tokens(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Of all rows; a token that several share is read once."""
    total = {
        what: sum(row["tokens"][what] for row in rows) for what in ("read", "shared", "learned", "padding")
    }
    return {**total, "read": total["read"] - total["shared"]}


def _row(step: int, row: ShownRow) -> dict[str, Any]:
    return {
        "step": step,
        "micro_batch": row.micro_batch,
        "row": row.row,
        "segment": row.segment,
        "item": row.of.item,
        "task": row.of.training_task,
        "cut": list(row.of.cut),
        "weight": row.weight,
        "tokens": {
            "read": row.read,
            "shared": row.shared,
            "learned": row.learned,
            "padding": row.padding,
        },
        "parts": [{"learned": learned, "text": text} for learned, text in row.parts],
    }
