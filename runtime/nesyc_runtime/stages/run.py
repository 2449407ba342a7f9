"""A run: every selected stage in order, the finished ones found again by key, the rest done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import Any

from nesyc_runtime import config
from nesyc_runtime.artifact import Build
from nesyc_runtime.data.splits import Datasets
from nesyc_runtime.errors import Stopped, UserError, placed
from nesyc_runtime.hashing import digest
from nesyc_runtime.project import Project
from nesyc_runtime.stages.context import Context
from nesyc_runtime.stages.examples import Counts
from nesyc_runtime.stages.explain import changed_names, explain
from nesyc_runtime.stages.extract import run_extract
from nesyc_runtime.stages.finetune import run_finetune
from nesyc_runtime.stages.graph import Node, Respond, build_graph, find, select, short_names
from nesyc_runtime.stages.induce import check_induce, run_induce, write_rules
from nesyc_runtime.stages.keys import node_inputs, stage_key
from nesyc_runtime.stages.mine_errors import run_mine_errors
from nesyc_runtime.stages.ports import Knowledge, Learner, Reporter, Rulebook
from nesyc_runtime.stages.respond import run_respond
from nesyc_runtime.stages.review import review_command, waits_for_review
from nesyc_runtime.stages.sample import run_sample
from nesyc_runtime.stages.seen import parts_of, remember_parts, seen_of
from nesyc_runtime.stages.shelf import Done, Generations, Shelf
from nesyc_runtime.stages.sizes import size_of
from nesyc_runtime.stages.validate import mark_entries, put_entries, put_verdicts, retrieve_of, run_validate
from nesyc_runtime.stages.work import ASKING, work_of
from nesyc_runtime.teachers.open import Teachers
from nesyc_runtime.teachers.store import AnswerStore


@dataclass(frozen=True, slots=True)
class Options:
    """`select` and `refresh` as on the command line; `limit` rows of each split."""

    select: Sequence[str] = ()
    refresh: Sequence[str] = ()
    limit: int | None = None


@dataclass
class Outcome:
    """`ran` lists the nodes that were worked on (the rest were done already), in order."""

    nodes: Mapping[str, Node]
    ran: list[str] = field(default_factory=list)


def open_context(
    build: Build,
    project: Project,
    learner: Learner,
    knowledge: Knowledge,
    reporter: Reporter,
    stack: ExitStack,
    *,
    rules: Rulebook | None = None,
    limit: int | None = None,
    env: Mapping[str, str] | None = None,
) -> Context:
    """What the stages of one run share; `stack` closes what is opened."""
    teachers = Teachers(build.spec, project) if env is None else Teachers(build.spec, project, env)
    answers = stack.enter_context(AnswerStore(project.answers_file))
    shelf = Shelf(project.stages_dir)
    generations = Generations(project.state_dir / "refreshed.json")
    data = Datasets(build.spec, project, limit)
    run = run_id(build, limit)
    return Context(
        build, project, data, teachers, answers, learner, knowledge, reporter, run, shelf, generations, rules
    )


def spec_digest(build: Build) -> str:
    """A hash of the compiled spec: its settings, its stages, its rules in force. A proposal changes nothing."""
    spec = build.spec.model_dump(mode="json")
    for kb in spec["kbs"]:
        kb["rules"] = [rule for rule in kb["rules"] if rule["active"]]
    return digest([spec, build.programs])


def run_id(build: Build, limit: int | None) -> str:
    """The same compiled spec, params and limit give the same ID."""
    return digest([spec_digest(build), limit])[:6]


def run(ctx: Context, options: Options) -> Outcome:
    """Do what is not done; `ctx.done` then holds every selected node.

    Raises `UserError` before anything is spent where a selected stage cannot run; `Stopped` where a
    teacher, a budget or a review stops it, everything finished kept.
    """
    nodes = build_graph(ctx.build)
    selected = select(nodes, ctx.spec, options.select)
    _check_before(ctx, nodes, selected)
    for id_ in refreshed(ctx, nodes, selected, options.refresh):
        ctx.generations.refresh(id_)
    ctx.knowledge.prepare()
    for sentence in ctx.knowledge.left_out():
        ctx.reporter.warn(sentence)
    outcome = Outcome(nodes)
    waiting = [node for id_, node in nodes.items() if id_ in selected]
    copies = Counter(node.stage.id for node in waiting if not isinstance(node.stage, Respond))
    for node in waiting:
        _do(ctx, node, outcome)
        if not isinstance(node.stage, Respond):
            copies[node.stage.id] -= 1
            # made or found: a kill may have come between a result and this line
            if copies[node.stage.id] == 0:
                ctx.generations.finished(node.stage.id)
    return outcome


def recall(ctx: Context, nodes: Mapping[str, Node]) -> None:
    """Find what earlier runs finished of the nodes that this one has not come to: not selected, or behind a stop.

    Nothing is done and nothing changes in the KB: the results of a run in part stay those of the whole spec.
    """
    for node in nodes.values():
        if node.id in ctx.done or any(before not in ctx.done for before in node.after):
            continue
        try:
            key = stage_key(node_inputs(ctx, node))
        except UserError:  # a teacher without its key, a split whose file is gone: nobody asked for this node
            continue
        done = ctx.shelf.find(key)
        if done is not None:
            ctx.keys[node.id], ctx.done[node.id] = key, done


def refreshed(ctx: Context, nodes: Mapping[str, Node], selected: set[str], names: Sequence[str]) -> list[str]:
    """The ids of stages to do again; raises `UserError` for an evaluation and for what is not selected."""
    ids: list[str] = []
    for name in names:
        found = sorted(find(nodes, ctx.spec, name))
        stages = {node.stage.id for id_ in found if not isinstance((node := nodes[id_]).stage, Respond)}
        if not stages:
            raise UserError(
                f"`{name}` is an evaluation: asked again, a student answers the same",
                "refresh the stage that trains it",
            )
        if not selected.intersection(found):
            raise UserError(f"`--refresh {name}`: the stage is not selected", f"add `--select {name}`")
        ids += sorted(stages)
    return list(dict.fromkeys(ids))


def _check_before(ctx: Context, nodes: Mapping[str, Node], selected: set[str]) -> None:
    for id_ in nodes:
        stage = nodes[id_].stage
        if id_ not in selected:
            continue
        if isinstance(stage, ASKING):
            ctx.teachers.get(stage.teacher)
        if isinstance(stage, config.InduceStage):
            check_induce(ctx, stage)
        if isinstance(stage, config.ValidateStage):
            retrieve_of(ctx, stage)
        if isinstance(stage, Respond):
            ctx.data.split(stage.evaluate.split)
    for name in sorted(_training_splits(nodes, selected)):
        if shared := ctx.data.split(name).shared:
            rows = "1 row also stands" if shared == 1 else f"{shared} rows also stand"
            left_out = f"{name}: {rows} in a held-out split: left out"
            ctx.reporter.warn(placed(left_out, "E0605", ctx.data.declared(name).location.model_dump()))
    for substitution in ctx.teachers.substitutions.values():
        ctx.reporter.warn(str(substitution))


def _training_splits(nodes: Mapping[str, Node], selected: set[str]) -> set[str]:
    stages = [nodes[id_].stage for id_ in selected]
    read = {stage.data for stage in stages if isinstance(stage, (config.SampleStage, config.MineErrorsStage))}
    examples = {
        name for stage in stages if isinstance(stage, config.FinetuneStage) for name in stage.examples
    }
    return read | (examples - nodes.keys())


def _do(ctx: Context, node: Node, outcome: Outcome) -> None:
    inputs = node_inputs(ctx, node)
    key = stage_key(inputs)
    ctx.keys[node.id] = key
    done = ctx.shelf.find(key)
    if done is None:
        _check_reviews(ctx, node, outcome.nodes)
        done = _work(ctx, node, key, reasons(ctx, node, inputs))
        outcome.ran.append(node.id)
    else:
        _charge(ctx, node, done)
        ctx.reporter.note(f"{shown_name(ctx, node)}: done before")
    ctx.done[node.id] = done
    put_in_place(ctx, node, done)
    ctx.shelf.remember(node.id, inputs, key, spec_digest(ctx.build))
    remember_parts(ctx, node, inputs)


def put_in_place(ctx: Context, node: Node, done: Done, *, source: bool = True) -> None:
    """Let what a finished stage made stand where others read it: the KB and, with `source`, files of the source."""
    match node.stage:
        case config.ExtractStage() as stage:
            put_entries(ctx, stage, done)
            stale = mark_entries(ctx, stage, done)
            if stale:
                ctx.reporter.warn(
                    f"{shown_name(ctx, node)}: {stale} accepted entries of {stage.into} are stale, their sources changed: "
                    "nesyc review"
                )
        case config.ValidateStage() as stage:
            put_verdicts(ctx, stage, done, source=source)
        case config.InduceStage() as stage if source:
            counts = write_rules(ctx, stage, done.folder)
            if counts:
                told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
                ctx.reporter.note(f"{shown_name(ctx, node)}: {stage.into}: {told}")
        case _:
            return


def reasons(ctx: Context, node: Node, inputs: Mapping[str, Any]) -> list[str]:
    """Why a node runs again: what changed since it last ran, by name."""
    last = ctx.shelf.last(node.id)
    if last is None:
        return explain(None, inputs)
    seen, old = seen_of(ctx), last["inputs"]
    changed = {name: inputs[name] for name in changed_names(old, inputs) if name in inputs}
    before = {name: parts for name in changed if (parts := seen.get(str(old.get(name)))) is not None}
    return explain(old, inputs, before, parts_of(ctx, node, {name: changed[name] for name in before}))


def _work(ctx: Context, node: Node, key: str, why: Sequence[str]) -> Done:
    whole = not ctx.shelf.has_partial(key)
    partial = ctx.shelf.partial(key)
    work = work_of(ctx, node)
    ctx.reporter.start(shown_name(ctx, node), "; ".join(why), size_of(ctx, node))
    start = ctx.clock()
    counts = _execute(ctx, node)
    info: dict[str, Any] = {
        "v": 1,
        "kind": node.stage.kind,
        "run": ctx.run,
        "counts": asdict(counts),
        "seconds": round(ctx.clock() - start, 3),
    }
    if whole:
        info["work"] = {"by": work.by, "size": work.size[1]}
    done = ctx.shelf.finish(key, info)
    assert partial != done.folder
    ctx.reporter.finish(shown_name(ctx, node), summary(counts))
    return done


def _execute(ctx: Context, node: Node) -> Counts:
    out = ctx.shelf.partial(ctx.keys[node.id])
    match node.stage:
        case config.SampleStage():
            return run_sample(ctx, node.stage, out)
        case config.FinetuneStage():
            return run_finetune(ctx, node.stage, node.copy, out)
        case config.MineErrorsStage():
            return run_mine_errors(ctx, node.stage, out)
        case config.ExtractStage():
            return run_extract(ctx, node.stage, out)
        case config.InduceStage():
            return run_induce(ctx, node.stage, out)
        case Respond():
            return run_respond(ctx, node.stage, node.copy, out)
        case config.ValidateStage():
            return run_validate(ctx, node.stage, out)


def _charge(ctx: Context, node: Node, done: Done) -> None:
    """What a finished stage cost counts against its teacher's limit, which is one of the whole plan."""
    if isinstance(node.stage, ASKING):
        ctx.teachers.budget(node.stage.teacher).spent += float(done.info["counts"]["usd"])


def _check_reviews(ctx: Context, node: Node, nodes: Mapping[str, Node]) -> None:
    for before in node.after:
        if waits_for_review(ctx, nodes[before]):
            raise Stopped(
                f"stage `{shown_name(ctx, nodes[before])}` asks for a review before `{shown_name(ctx, node)}` uses "
                "what it made",
                f"{review_command(nodes[before])}  and then run again: nothing is done twice",
                code="E0801",
                span=_declared(nodes[before]),
            )


def _declared(node: Node) -> dict[str, Any]:
    stage = node.stage.evaluate if isinstance(node.stage, Respond) else node.stage
    return stage.location.model_dump()


def shown_name(ctx: Context, node: Node) -> str:
    if isinstance(node.stage, Respond):
        return node.id
    return short_names(ctx.spec)[node.stage.id] + (f"#{node.copy}" if node.copy else "")


def summary(counts: Counts) -> str:
    parts = [f"{counts.kept} of {counts.rows_in}"]
    parts += [f"{count} {reason}" for reason, count in counts.dropped.items()]
    if counts.calls:
        parts.append(f"{counts.calls} calls")
    if counts.usd:
        parts.append(f"{counts.usd:.4f} USD")
    return ", ".join(parts)


def counts_of(done: Done) -> dict[str, Any]:
    return dict(done.info["counts"])
