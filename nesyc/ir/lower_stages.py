"""Pipelines: every stage with its defaults, references as ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nesyc.checks.check_losses import distilled
from nesyc.checks.kinds import Bound, Symbol
from nesyc.checks.pipelines import StageInfo
from nesyc.checks.signatures import CALLS
from nesyc.checks.stage_order import target_kb, validated_model
from nesyc.ir import nodes
from nesyc.ir.context import Lowering


def lower_pipelines(to: Lowering) -> tuple[nodes.Pipeline, ...]:
    found = []
    for name, node in to.tables.symbols.pipelines.items():
        stages = tuple(_stage(to, stage) for stage in to.tables.stages.values() if stage.pipeline == name)
        found.append(nodes.Pipeline(name, node.task.text, stages, to.at(node.name.span)))
    return tuple(found)


def _stage(to: Lowering, stage: StageInfo) -> nodes.Stage:
    bound = stage.bound
    assert bound is not None
    common: dict[str, Any] = {
        "id": stage.id,
        "name": stage.node.name.text,
        "task": stage.task,
        "review": bound["review"],
        "location": to.at(stage.node.span),
    }
    match bound.name:
        case "sample":
            return nodes.SampleStage(
                **common,
                teacher=_id(bound["teacher"]),
                data=_id(bound["data"]),
                n=bound["n"],
                keep=bound["keep"],
                temperature=bound["temperature"],
                limit=bound["limit"],
            )
        case "finetune":
            return _finetune(to, stage, bound, common)
        case "mine_errors":
            return nodes.MineErrorsStage(
                **common,
                model=_id(bound["model"]),
                data=_id(bound["data"]),
                against=_ids(bound["against"]),
                folds=bound["folds"],
                by=tuple(name.text for name in bound["by"]),
                limit=bound["limit"],
            )
        case "extract":
            return nodes.ExtractStage(
                **common,
                teacher=_id(bound["teacher"]),
                data=_ids(bound["data"]),
                into=_id(bound["into"]),
                show_gold=bound["show_gold"],
                limit=bound["limit"],
            )
        case "induce":
            located, kb = bound["into"], target_kb(to.tables, bound)
            assert kb is not None
            return nodes.InduceStage(
                **common,
                teacher=_id(bound["teacher"]),
                data=_ids(bound["data"]),
                into=f"@{located.root}/{located.pattern}" if located.root else located.pattern,
                kb=kb.name,
                min_support=bound["min_support"],
                show_gold=bound["show_gold"],
                limit=bound["limit"],
            )
        case _:
            return nodes.ValidateStage(
                **common,
                of=_ids(bound["of"]),
                model=_id(validated_model(to.tables.stages, bound)),
                data=_id(bound["data"]),
                drop=bound["drop"],
            )


def _id(symbol: Any) -> str:
    assert isinstance(symbol, Symbol)
    return symbol.id


def _ids(united: tuple[Symbol, ...]) -> tuple[str, ...]:
    return tuple(symbol.id for symbol in united)


def _finetune(to: Lowering, stage: StageInfo, bound: Bound, common: Mapping[str, Any]) -> nodes.FinetuneStage:
    start = bound["model"] if bound["model"] is not None else bound["student"]
    given = bound["student"] if bound["student"] is not None else bound["model"]
    tasks, distil = bound["tasks"], _distil(to, stage)
    name: Any = bound["loss"].name if isinstance(bound["loss"], Bound) else bound["loss"]
    retrieve, select = bound["retrieve"], bound["select"]
    return nodes.FinetuneStage(
        **common,
        student=student_of(to, given),
        model=_id(start),
        examples=_ids(bound["data"]),
        tasks=tasks,
        weights=bound["weights"] if bound["weights"] is not None else (1.0,) * len(tasks),
        retrieve=retrieve.id if isinstance(retrieve, Symbol) else None,
        select=select.id if isinstance(select, Symbol) else None,
        loss="cross_entropy" if distil is None else name,
        distil=distil,
        fade=_ramp(bound["fade"]) if bound["fade"] is not None else None,
        epochs=bound["epochs"],
        lr=bound["lr"],
        batch=bound["batch"],
        warmup=bound["warmup"],
        schedule=bound["schedule"],
        seed=bound["seed"],
        options=dict(bound["options"]),
    )


def _distil(to: Lowering, stage: StageInfo) -> nodes.Distil | None:
    """The options of a loss over probabilities; None for cross-entropy, and where the fallback is known to be taken."""
    found = distilled(to.tables, stage)
    if found is None or found.apart:
        return None
    assert found.teacher is not None
    given = found.bound.values if found.bound is not None else _defaults(found.kind)
    return nodes.Distil(
        teacher=found.teacher.id,
        beta=given.get("beta"),
        temperature=given["temperature"],
        top_k=given["top_k"],
        mix=given["mix"],
        on_policy=_ramp(given["on_policy"]),
        fallback=given["fallback"],
    )


def _ramp(share: Any) -> tuple[float, float]:
    """A share at the first and at the last step: `ramp(0, 0.5)`, or one that stays."""
    if isinstance(share, Bound):
        return float(share.values["start"]), float(share.values["end"])
    return float(share), float(share)


def _defaults(signature: str) -> dict[str, Any]:
    return {parameter.name: parameter.default for parameter in CALLS[signature].parameters}


def student_of(to: Lowering, symbol: Symbol) -> str:
    """The declared student behind a model: through the stages it was trained on from."""
    while symbol.is_stage:
        bound = to.tables.stages[symbol.id].bound
        assert bound is not None
        symbol = bound["student"] if bound["student"] is not None else bound["model"]
    return symbol.id
