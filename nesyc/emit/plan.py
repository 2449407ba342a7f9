"""plan.json: the stage graph, the evaluations, the KBs with their rule programs, the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nesyc.emit.json_text import json_text
from nesyc.ir import nodes
from nesyc.ir.encode import encode


def emit_plan(spec: nodes.Spec, programs: Mapping[str, Any]) -> str:
    """The text of plan.json; `programs` holds each KB's compiled rule program as JSON values."""
    stages = [stage for pipeline in spec.pipelines for stage in pipeline.stages]
    plan = {
        "v": 1,
        "spec": spec.name,
        "path": spec.path,
        "pipelines": [
            {
                "name": p.name,
                "task": p.task,
                "location": encode(p.location),
                "stages": [s.id for s in p.stages],
            }
            for p in spec.pipelines
        ],
        "stages": [{**encode(stage), "after": list(stage_inputs(spec, stage))} for stage in stages],
        "evaluates": encode(spec.evaluates),
        "kbs": [{**encode(kb), "program": programs[kb.name]} for kb in spec.kbs],
        "tests": encode(spec.tests),
    }
    return json_text(plan)


def stage_inputs(spec: nodes.Spec, stage: nodes.Stage) -> tuple[str, ...]:
    """Ids of the stages `stage` waits for: those it names, and those that write into a KB it retrieves from."""
    match stage:
        case nodes.SampleStage():
            named: tuple[str, ...] = ()
        case nodes.FinetuneStage():
            models = () if _is_student(spec, stage.model) else (stage.model,)
            named = (*models, *_stages_only(spec, stage.examples), *_writers(spec, stage.retrieve))
        case nodes.MineErrorsStage():
            models = () if _is_student(spec, stage.model) else (stage.model,)
            named = (*models, *stage.against)
        case nodes.ExtractStage() | nodes.InduceStage():
            named = stage.data
        case nodes.ValidateStage():
            named = (*stage.of, *(() if _is_student(spec, stage.model) else (stage.model,)))
    return tuple(dict.fromkeys(name for name in named if name != stage.id))


def _stages_only(spec: nodes.Spec, examples: tuple[str, ...]) -> tuple[str, ...]:
    """The examples that stages give; the rows of a split are there from the start."""
    stages = {stage.id for pipeline in spec.pipelines for stage in pipeline.stages}
    return tuple(name for name in examples if name in stages)


def _is_student(spec: nodes.Spec, model: str) -> bool:
    return any(student.name == model for student in spec.students)


def _writers(spec: nodes.Spec, retrieve: str | None) -> tuple[str, ...]:
    """Stages that write entries or rules into the KB that `retrieve` reads, or take some of them back."""
    if retrieve is None:
        return ()
    kb = next(r.kb for r in spec.retrieves if r.name == retrieve)
    stages = {stage.id: stage for pipeline in spec.pipelines for stage in pipeline.stages}
    return tuple(name for name, stage in stages.items() if kb in _written_kbs(stage, stages))


def _written_kbs(stage: nodes.Stage, stages: Mapping[str, nodes.Stage]) -> set[str]:
    match stage:
        case nodes.ExtractStage():
            return {stage.into.split(".")[0]}
        case nodes.InduceStage():
            return {stage.kb}
        case nodes.ValidateStage():
            return {kb for name in stage.of for kb in _written_kbs(stages[name], stages)}
        case _:
            return set()
