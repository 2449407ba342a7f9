"""`nesyc export`: a trained model as a folder for other programs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)


class Form(StrEnum):
    """What is written."""

    merged = "merged"
    adapter = "adapter"
    gguf = "gguf"


class Precision(StrEnum):
    """Of a GGUF file's matrices."""

    f32 = "f32"
    f16 = "f16"
    q8_0 = "q8_0"


ModelArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[MODEL]", help="PIPELINE.STAGE (default: the model that is evaluated).", show_default=False
    ),
]
FormOption = Annotated[Form, typer.Option("--form", help="Whole weights, the adapter alone, or a GGUF file.")]
PrecisionOption = Annotated[Precision, typer.Option("--precision", help="Of a GGUF file's matrices.")]
SampleOption = Annotated[
    int, typer.Option("--sample", metavar="N", min=0, help="Ask both models N prompts after the export.")
]
FolderOption = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="A new folder (default: exports/MODEL-FORM).")
]


def export(
    model: ModelArgument = None,
    form: FormOption = Form.merged,
    precision: PrecisionOption = Precision.f16,
    sample: SampleOption = 8,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: FolderOption = None,
) -> None:
    """Write a trained model as safetensors, adapter or GGUF, with a model card; exit 3 where it answers otherwise."""
    from nesyc.cli import errors
    from nesyc.cli.output import print_result, stderr_console
    from nesyc.cli.session import open_build, open_session
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.stages.export import export as export_model
    from nesyc_runtime.stages.export import exportable

    compiled, project = open_build(spec, build, profile, parse_params(param))
    name = exportable(compiled.spec, model)
    folder = out or project.root / "exports" / f"{name}-{form}"
    with (
        ConsoleReporter(stderr_console()) as reporter,
        open_session(compiled, project, reporter) as ctx,
    ):
        done = export_model(ctx, name, form.value, folder, precision=precision.value, sample=sample)
        if done["note"]:
            reporter.warn(done["note"])
    check = done["check"]
    text = (
        f"{folder.as_posix()}\n{check['equal']} of {check['asked']} sampled answers are the trained model's\n"
    )
    print_result({**done, "folder": folder.as_posix()}, text, as_json=as_json, out=None)
    # fewer bits may turn an answer, not every one; whole weights may turn none
    equal, asked = check["equal"], check["asked"]
    if equal < asked and (done["precision"] == "f32" or equal == 0):
        raise typer.Exit(errors.FAILED)
