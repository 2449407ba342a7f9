"""The graph of a run: stages, copies of compared stages for further seeds, and what is evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.errors import UserError


@dataclass(frozen=True, slots=True)
class Respond:
    """A student answers the split of an evaluation; `stage` is its finetune stage, None if untrained."""

    evaluate: config.Evaluate
    student: str
    stage: config.FinetuneStage | None
    kind: Literal["respond"] = "respond"


@dataclass(frozen=True, slots=True)
class Node:
    """One thing to do. `copy` numbers the seeds: 0 is the stage itself, i > 0 trains with seed + i."""

    id: str
    stage: config.Stage | Respond
    after: tuple[str, ...]
    copy: int = 0


def all_stages(spec: config.Spec) -> dict[str, config.Stage]:
    return {stage.id: stage for pipeline in spec.pipelines for stage in pipeline.stages}


def short_names(spec: config.Spec) -> dict[str, str]:
    """How a stage is shown: its short name where that is unique in the spec, else its id."""
    stages = all_stages(spec)
    uses = Counter(stage.name for stage in stages.values())
    return {id_: stage.name if uses[stage.name] == 1 else id_ for id_, stage in stages.items()}


def copy_id(id_: str, copy: int) -> str:
    return f"{id_}#{copy}" if copy else id_


def respond_id(evaluate: config.Evaluate, student: str, copy: int) -> str:
    return copy_id(f"{evaluate.name}:{student}", copy)


def build_graph(build: Build) -> dict[str, Node]:
    """Every node by id, each after those it waits for.

    Raises `UserError` on a cycle (a build nesyc made has none) or a name that is not there.
    """
    stages = all_stages(build.spec)
    nodes = {id_: Node(id_, stage, build.after.get(id_, ())) for id_, stage in stages.items()}
    for evaluate in build.spec.evaluates:
        for student in compared(evaluate):
            nodes |= _respond_nodes(build, evaluate, student, stages)
    return {id_: nodes[id_] for id_ in _ordered(nodes)}


def compared(evaluate: config.Evaluate) -> list[str]:
    """The students an evaluation asks: those compared, the evaluated model, those its requirements name."""
    named = [name for require in evaluate.requires for name in _models(require.condition)]
    return list(dict.fromkeys((*evaluate.students, evaluate.model, *named)))


def _models(expression: config.ItemExpr) -> list[str]:
    match expression:
        case config.ColumnRef():
            return [expression.of] if expression.scope == "score" and expression.of else []
        case config.Operation():
            return [name for argument in expression.arguments for name in _models(argument)]
        case _:
            return []


def copies(evaluate: config.Evaluate, stage: config.Stage | None) -> range:
    """Which seed copies of a compared student there are; greedy decoding of an untrained one needs none."""
    return range(evaluate.seeds if stage is not None else 1)


def _respond_nodes(
    build: Build, evaluate: config.Evaluate, student: str, stages: Mapping[str, config.Stage]
) -> dict[str, Node]:
    stage = stages.get(student)
    if stage is not None and not isinstance(stage, config.FinetuneStage):
        raise UserError(f"evaluate {evaluate.name}: `{student}` is no model")
    nodes: dict[str, Node] = {}
    for copy in copies(evaluate, stage):
        after: tuple[str, ...] = ()
        if stage is not None:
            trained = copy_id(student, copy)
            after = (trained,)
            if copy:
                nodes[trained] = Node(trained, stage, build.after.get(student, ()), copy)
        writers = _writers(build.spec, evaluate.retrieve or (stage.retrieve if stage else None))
        id_ = respond_id(evaluate, student, copy)
        waits = tuple(dict.fromkeys((*after, *writers)))
        nodes[id_] = Node(id_, Respond(evaluate, student, stage), waits, copy)
    return nodes


def _writers(spec: config.Spec, retrieve: str | None) -> tuple[str, ...]:
    if retrieve is None:
        return ()
    kb = next(r.kb for r in spec.retrieves if r.name == retrieve)
    stages = all_stages(spec)
    return tuple(stage.id for stage in stages.values() if kb in written_kbs(stage, stages))


def written_kbs(stage: config.Stage, stages: Mapping[str, config.Stage]) -> set[str]:
    """The KBs into which a stage writes entries or rules, or out of which it takes some."""
    match stage:
        case config.ExtractStage():
            return {stage.into.split(".")[0]}
        case config.InduceStage():
            return {stage.kb}
        case config.ValidateStage():
            return {kb for name in stage.of for kb in written_kbs(stages[name], stages)}
        case _:
            return set()


def _ordered(nodes: Mapping[str, Node]) -> list[str]:
    """Depth first in the order declared: a node comes right after the last thing it waits for."""
    order: list[str] = []
    state: dict[str, bool] = {}  # False while its inputs are visited

    def visit(id_: str) -> None:
        if state.get(id_):
            return
        if id_ in state:
            raise UserError(f"stage `{id_}` waits for itself", code="E0701")
        if id_ not in nodes:
            raise UserError(f"there is no stage `{id_}`", "compile the spec again")
        state[id_] = False
        for before in nodes[id_].after:
            visit(before)
        state[id_] = True
        order.append(id_)

    for id_ in nodes:
        visit(id_)
    return order


def select(nodes: Mapping[str, Node], spec: config.Spec, selectors: Sequence[str]) -> set[str]:
    """The nodes `--select` means: `stage`, `stage+` with all that depends on it, `+stage` with all before it.

    What a selected node waits for is always with it (and is done already, mostly). Raises `UserError` for a
    name that is not there.
    """
    if not selectors:
        return set(nodes)
    chosen: set[str] = set()
    for selector in selectors:
        names = find(nodes, spec, selector.strip("+"))
        chosen.update(names)
        if selector.endswith("+"):
            chosen.update(_followers(nodes, names))
    return chosen | _waited_for(nodes, chosen)


def find(nodes: Mapping[str, Node], spec: config.Spec, name: str) -> set[str]:
    """The nodes of a stage (its seed copies too) or evaluation, by id or short name; raises `UserError`."""
    short = short_names(spec)
    found = {
        id_
        for id_, node in nodes.items()
        if (node.stage.evaluate.name if isinstance(node.stage, Respond) else node.stage.id) == name
        or (not isinstance(node.stage, Respond) and short[node.stage.id] == name)
    }
    if not found:
        names = sorted({*short.values(), *short, *(e.name for e in spec.evaluates)})
        near = get_close_matches(name, names, 3)
        help = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
        raise UserError(f"there is no stage or evaluation `{name}`", help)
    return found


def _followers(nodes: Mapping[str, Node], names: Iterable[str]) -> set[str]:
    found = set(names)
    for id_, node in nodes.items():  # in order, so one pass is enough
        if found.intersection(node.after):
            found.add(id_)
    return found


def _waited_for(nodes: Mapping[str, Node], names: Iterable[str]) -> set[str]:
    found: set[str] = set()
    open_ = list(names)
    while open_:
        for before in nodes[open_.pop()].after:
            if before not in found:
                found.add(before)
                open_.append(before)
    return found


def task_of(spec: config.Spec, respond: Respond) -> str:
    """The task an evaluation asks: its model's pipeline's; else the first task on the split's dataset."""
    if respond.stage is not None:
        return respond.stage.task
    for pipeline in spec.pipelines:
        if any(stage.id == respond.evaluate.model for stage in pipeline.stages):
            return pipeline.task
    dataset = respond.evaluate.split.split(".")[0]
    return next(task.name for task in spec.tasks if task.dataset == dataset)
