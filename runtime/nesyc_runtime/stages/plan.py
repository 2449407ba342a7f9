"""What a run would do: the state of every stage, why it would run, and about what it would take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from nesyc_runtime.errors import UserError
from nesyc_runtime.hashing import digest
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.estimates import Estimate, estimate
from nesyc_runtime.stages.explain import UPSTREAM
from nesyc_runtime.stages.graph import Node, Respond, build_graph, select
from nesyc_runtime.stages.keys import Inputs, node_inputs, stage_key
from nesyc_runtime.stages.review import waits_for_review
from nesyc_runtime.stages.run import put_in_place, reasons, refreshed, shown_name
from nesyc_runtime.stages.seen import kb_parts, search_parts
from nesyc_runtime.stages.work import ASKING, is_known, open_requests, requests_of
from nesyc_runtime.teachers.ask import distinct_requests

State = Literal["done", "partial", "run", "blocked"]
SHORT = 16  # hex digits of an input's hash


@dataclass(frozen=True, slots=True)
class Planned:
    """`spend` is what is still to be spent; `inputs` hashes of all it depends on, by name, but other stages."""

    node: Node
    key: str
    state: State
    why: tuple[str, ...]
    spend: Estimate = field(default_factory=Estimate)
    inputs: Mapping[str, str] = field(default_factory=dict)


def make_plan(ctx: Context, selectors: Sequence[str] = (), refresh: Sequence[str] = ()) -> list[Planned]:
    """Every selected node in order, stages of `refresh` as to be done again.

    The KB is brought in step with the source; nothing else is changed.
    """
    nodes = build_graph(ctx.build)
    selected = select(nodes, ctx.spec, selectors)
    for id_ in refreshed(ctx, nodes, selected, refresh):
        ctx.generations.preview(id_)
    ctx.knowledge.prepare()
    planned: dict[str, Planned] = {}
    for id_, node in nodes.items():
        planned[id_] = _plan_node(ctx, node, planned)
    return [planned[id_] for id_ in nodes if id_ in selected]


def _plan_node(ctx: Context, node: Node, planned: Mapping[str, Planned]) -> Planned:
    blocked = _blocked(ctx, node, planned)
    if blocked is not None:
        ctx.keys[node.id] = stage_key({"blocked": node.id})
        return Planned(node, ctx.keys[node.id], "blocked", (blocked,))
    inputs = node_inputs(ctx, node)
    key = ctx.keys[node.id] = stage_key(inputs)
    waiting = [planned[name] for name in node.after if planned[name].state != "done"]
    own = own_inputs(ctx, node, inputs)
    done = ctx.shelf.find(key) if not waiting else None
    if done is not None:
        ctx.done[node.id] = done
        put_in_place(ctx, node, done, source=False)
        return Planned(node, key, "done", (), inputs=own)
    why = _why(ctx, node, inputs, waiting)
    spend = estimate(ctx, node)
    state: State = "partial" if _begun(ctx, node, key) else "run"
    return Planned(node, key, state, why, spend, own)


def _why(ctx: Context, node: Node, inputs: Inputs, waiting: Sequence[Planned]) -> tuple[str, ...]:
    """What changed in the node itself, then the stages before it that will run."""
    if not waiting:
        return tuple(reasons(ctx, node, inputs))
    last = ctx.shelf.last(node.id)
    if last is None:
        own = ["never run"]
    else:
        # what stages before it decide is not known yet, so it did not change yet
        settled = {**inputs, **{name: last["inputs"].get(name) for name in inputs if name in UPSTREAM}}
        changed = any(settled[name] != last["inputs"].get(name) for name in settled)
        own = reasons(ctx, node, settled) if changed else []
    return (*own, *(f"upstream `{shown_name(ctx, before.node)}` will run" for before in waiting))


def _begun(ctx: Context, node: Node, key: str) -> bool:
    if ctx.shelf.has_partial(key):
        return True
    stage = node.stage
    if not isinstance(stage, ASKING) or not is_known(ctx, stage):
        return False
    teacher = ctx.teachers.get(stage.teacher)
    asked = distinct_requests(teacher, requests_of(ctx, stage), ctx.generations.of(stage.id))
    return teacher.stored and len(open_requests(ctx, stage)) < len(asked)


def own_inputs(ctx: Context, node: Node, inputs: Inputs) -> dict[str, str]:
    """A hash of each input of a node, by name; in place of what other stages decide, which stages those are."""
    own = {name: digest(value)[:SHORT] for name, value in inputs.items() if name not in UPSTREAM}
    own["the stages it waits for"] = digest(list(node.after))[:SHORT]
    stage = node.stage
    name = stage.evaluate.retrieve if isinstance(stage, Respond) else getattr(stage, "retrieve", None)
    if name is not None:
        retrieve = ctx.retrieve(str(name))
        kb = next(kb for kb in ctx.spec.kbs if kb.name == retrieve.kb)
        content = {name: _content(part) for name, part in kb_parts(kb).items()}
        own |= {name: digest(value)[:SHORT] for name, value in content.items()}
        own |= {name: str(value) for name, value in search_parts(retrieve).items()}
    return own


def _content(part: Any) -> Any:
    """A part without its place in the source."""
    return part[0] if isinstance(part, list) else part


def _blocked(ctx: Context, node: Node, planned: Mapping[str, Planned]) -> str | None:
    stage = node.stage
    for name in node.after:
        before = planned[name]
        if before.state == "blocked":
            return f"upstream `{shown_name(ctx, before.node)}` is blocked"
        if before.state == "done" and waits_for_review(ctx, before.node):
            return f"`{shown_name(ctx, before.node)}` waits for a review"
    if isinstance(stage, ASKING):
        try:
            ctx.teachers.get(stage.teacher)
        except UserError as error:
            return error.message
    return None
