"""How much a stage has to do, for progress bars: items, or None for a share of 1."""

from __future__ import annotations

from nesyc_runtime import config
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.finetune import united_examples
from nesyc_runtime.stages.graph import Node, Respond
from nesyc_runtime.stages.respond import evaluation_items
from nesyc_runtime.stages.sample import sampled_rows


def size_of(ctx: Context, node: Node) -> int | None:
    match node.stage:
        case config.SampleStage():
            return len(sampled_rows(ctx, node.stage)) * node.stage.n
        case config.ExtractStage():
            return len(united_examples(ctx, node.stage.data)[: node.stage.limit])
        case config.MineErrorsStage() if node.stage.folds <= 1:
            return len(united_examples(ctx, node.stage.against)[: node.stage.limit])
        case Respond():
            return len(evaluation_items(ctx, node.stage))
        case _:
            return None
