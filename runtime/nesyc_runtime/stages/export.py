"""`nesyc export`: the model last trained, as a folder that other programs load, with a card and a check."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable, write_atomic, write_json
from nesyc_runtime.report.card import model_card
from nesyc_runtime.stages.ask import Model, latest_model
from nesyc_runtime.stages.context import Context, item_of
from nesyc_runtime.stages.graph import Respond, task_of
from nesyc_runtime.stages.ports import Found
from nesyc_runtime.stages.prompts import format_of, prompt_for

if TYPE_CHECKING:
    from nesyc_runtime.learning.export import Form
    from nesyc_runtime.learning.gguf_weights import Precision

CARD, LINEAGE = "README.md", "nesyc.json"


def exportable(spec: config.Spec, name: str | None) -> str:
    """The id of the model to export: the one named, else the one that is evaluated first.

    Raises `UserError` where the spec has no such model.
    """
    models = [s.id for p in spec.pipelines for s in p.stages if isinstance(s, config.FinetuneStage)]
    known = [*models, *(student.name for student in spec.students)]
    wanted = name or next((e.model for e in spec.evaluates), models[-1] if models else None)
    if wanted is None or wanted not in known:
        raise UserError(
            f"the spec has no model `{printable(str(name), 60)}`" if name else "the spec trains no model",
            f"it has {', '.join(known)}" if known else "add a finetune stage",
        )
    return wanted


def export(
    ctx: Context, name: str, form: Form, out: Path, *, precision: Precision, sample: int
) -> dict[str, Any]:
    """Write the model into `out`, which appears whole or not at all; gives what nesyc.json in it says.

    Raises `UserError` where `out` holds something, the model is not trained, or the form does not suit it.
    """
    from nesyc_runtime.learning.export import export_student

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{printable(out.name)} is there already", "name a new folder with --out")
    model = latest_model(ctx, name)
    prompts = _prompts(ctx, name, model, sample)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as temporary:
        part = Path(temporary) / "model"
        check = export_student(
            ctx.student(model.student),
            model.weights,
            form,
            part,
            prompts,
            project=ctx.project,
            precision=precision,
        )
        lineage = {
            **_lineage(ctx, name, model),
            "form": form,
            "precision": precision if form == "gguf" else "f32",
            "check": {"asked": check.asked, "equal": check.equal},
        }
        write_json(part / LINEAGE, lineage)
        write_atomic(part / CARD, model_card(lineage))
        if out.exists():
            out.rmdir()
        part.rename(out)
    return lineage


def _prompts(ctx: Context, name: str, model: Model, most: int) -> list[str]:
    """Prompts of evaluated items, as the model is asked without the KB; none where nothing is evaluated."""
    evaluate = next((e for e in ctx.spec.evaluates if name in (e.model, *e.students)), None)
    if evaluate is None:
        return []
    task = ctx.task(task_of(ctx.spec, Respond(evaluate, name, model.stage)))
    format_ = format_of(model.stage, evaluate.format, None)
    rows = ctx.data.split(evaluate.split).rows[:most]
    return [prompt_for(task, item_of(task, row), format_, Found(None)) for row in rows]


def _lineage(ctx: Context, name: str, model: Model) -> dict[str, Any]:
    """What the model is made of: base, adapter, data, teachers, stages, and what a run measured."""
    from nesyc_runtime.learning.bases import base_label

    student = ctx.student(model.student)
    stages = _before(ctx, name)
    results = _results(ctx, name)
    teachers = sorted({s.teacher for s in stages if isinstance(s, config.SampleStage | config.ExtractStage)})
    data = sorted({s.data for s in stages if isinstance(s, config.SampleStage | config.MineErrorsStage)})
    return {
        "v": 1,
        "model": name,
        "spec": ctx.spec.name,
        "student": {
            "name": student.name,
            "base": base_label(student.base),
            "base_kind": student.base.kind,
            "adapter": student.adapter.kind,
            "max_tokens": student.max_tokens,
        },
        "data": data,
        "teachers": [
            {"name": t.name, "kind": t.endpoint.kind, "model": _named_model(t.endpoint)}
            for t in ctx.spec.teachers
            if t.name in teachers
        ],
        "stages": [{"id": s.id, "kind": s.kind} for s in stages],
        "training": model.stage.model_dump(
            mode="json", include={"tasks", "weights", "loss", "epochs", "lr", "batch", "seed", "retrieve"}
        )
        if model.stage is not None
        else None,
        "run": results.get("run"),
        "scores": [s for s in results.get("scores", ()) if s["student"] == name and s["seed"] is None],
        "note": model.note,
    }


def _named_model(endpoint: config.Endpoint) -> str | None:
    """The model a teacher names; where the environment names it, the variable: its value stays on this machine."""
    model = getattr(endpoint, "model", None)
    return f"env({model.name})" if isinstance(model, config.EnvRef) else model


def _before(ctx: Context, name: str) -> list[Any]:
    """The stages a model comes from, in the order declared, the model's own last."""
    wanted: set[str] = set()
    open_ = [name]
    while open_:
        id_ = open_.pop()
        if id_ not in wanted:
            wanted.add(id_)
            open_ += ctx.build.after.get(id_, ())
    return [stage for p in ctx.spec.pipelines for stage in p.stages if stage.id in wanted]


def _results(ctx: Context, name: str) -> dict[str, Any]:
    """The results of this very spec's run, where it scored the model; else empty."""
    try:
        text = (ctx.project.runs_dir / ctx.run / "results.json").read_text(encoding="utf-8")
        value = json.loads(text)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) and name in value.get("students", ()) else {}
