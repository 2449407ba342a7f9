"""The files of one compiled spec, by their path inside build/NAME/."""

from __future__ import annotations

from collections.abc import Mapping

from nesyc.emit.plan import emit_plan
from nesyc.emit.python import emit_train_module
from nesyc.emit.settings import emit_settings
from nesyc.emit.sql import emit_program, emit_schema, render_rules_sql
from nesyc.ir import nodes


def emit_build(spec: nodes.Spec) -> Mapping[str, str]:
    """Every generated file except manifest.json: the same spec gives the same text on any machine."""
    programs = {kb.name: emit_program(kb) for kb in spec.kbs}
    files: dict[str, str] = {}
    for kb in spec.kbs:
        prefix = "" if len(spec.kbs) == 1 else f"{kb.name}."
        files[f"{prefix}schema.sql"] = emit_schema(kb, programs[kb.name])
        files[f"{prefix}rules.sql"] = render_rules_sql(programs[kb.name])
    for stage in finetune_stages(spec):
        files[module_path(spec, stage)] = emit_train_module(spec, stage)
    encoded = {name: program.to_json() for name, program in programs.items()}
    programs.clear()  # of 10,000 rules they take a quarter of all memory
    files["plan.json"] = emit_plan(spec, encoded)
    files["config.yaml"] = emit_settings(spec)
    return files


def finetune_stages(spec: nodes.Spec) -> tuple[nodes.FinetuneStage, ...]:
    return tuple(
        stage
        for pipeline in spec.pipelines
        for stage in pipeline.stages
        if isinstance(stage, nodes.FinetuneStage)
    )


def module_path(spec: nodes.Spec, stage: nodes.FinetuneStage) -> str:
    """`train/STAGE.py`; `train/PIPELINE_STAGE.py` where two pipelines have a stage of that name."""
    alike = sum(other.name == stage.name for other in finetune_stages(spec))
    return f"train/{stage.name if alike == 1 else stage.id.replace('.', '_')}.py"
