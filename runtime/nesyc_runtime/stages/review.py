"""Whether a person has looked at what a stage made, where it asks for that with `review = .required`."""

from __future__ import annotations

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import write_json
from nesyc_runtime.project import Project
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.graph import Node, Respond
from nesyc_runtime.stages.induce import rulebook_of
from nesyc_runtime.stages.shelf import Shelf

MARK = "reviewed"


def waits_for_review(ctx: Context, node: Node) -> bool:
    """Whether a finished stage asks for a review that has not ended.

    An `extract` or `induce` stage waits while one of its entries or rules is undecided, any other until its folder is
    marked.
    """
    stage = node.stage
    if isinstance(stage, Respond) or stage.review != "required":
        return False
    if isinstance(stage, config.ExtractStage):
        return ctx.knowledge.pending(stage) > 0
    if isinstance(stage, config.InduceStage):
        return bool(rulebook_of(ctx).waiting(stage))
    return not (ctx.folder(node.id) / MARK).exists()


def review_command(node: Node) -> str:
    """What to type so that the run can go on."""
    stage = node.stage
    assert not isinstance(stage, Respond)
    decided = isinstance(stage, (config.ExtractStage, config.InduceStage))  # one by one
    return f"nesyc review --stage {stage.id}" + ("" if decided else " --approve")


def approve_files(project: Project, stage: str, who: str, note: str) -> None:
    """Mark what a stage made last as looked at; raises `UserError` where it has made nothing yet."""
    shelf = Shelf(project.stages_dir)
    last = shelf.last(stage)
    done = shelf.find(str(last["key"])) if last else None
    if done is None:
        raise UserError(f"stage `{stage}` has made nothing yet", "run it first:  nesyc run")
    write_json(done.folder / MARK, {"v": 1, "who": who, "note": note})
