"""The compiler's side of `tiny_student`: a spec's IR that holds one finetune stage and its student."""

from __future__ import annotations

from typing import Any

from nesyc.ir import nodes
from nesyc_runtime import config


def spec_of(stage: config.FinetuneStage, student: config.Student) -> tuple[nodes.Spec, nodes.FinetuneStage]:
    """The IR of a stage and of a spec around it, from the runtime's mirror of both."""
    place = nodes.Location(**stage.location.model_dump())
    settings: dict[str, Any] = {**stage.model_dump(), "location": place}
    if stage.distil is not None:
        settings["distil"] = nodes.Distil(**stage.distil.model_dump())
    ir_stage = nodes.FinetuneStage(**settings)
    ir_student = nodes.Student(
        name=student.name,
        base=nodes.Base(kind=student.base.kind, architecture=student.base.architecture),
        adapter=nodes.Adapter(kind=student.adapter.kind),
        max_tokens=student.max_tokens,
        max_new_tokens=student.max_new_tokens,
        template=student.template,
        options=student.options,
        location=place,
    )
    empty: dict[str, Any] = dict.fromkeys(nodes.Spec.__dataclass_fields__, ())
    pipeline = nodes.Pipeline("distil", stage.task, (ir_stage,), place)
    spec = nodes.Spec(
        **{
            **empty,
            "name": "tiny",
            "path": "tiny.nesy",
            "params": {},
            "students": (ir_student,),
            "pipelines": (pipeline,),
        }
    )
    return spec, ir_stage
