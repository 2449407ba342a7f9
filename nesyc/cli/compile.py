"""`nesyc compile`: from a spec to build/NAME/, or to one of the forms in between."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from nesyc.cli.errors import SpecErrors
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    named_spec,
    parse_params,
)
from nesyc.cli.output import print_result


class Form(StrEnum):
    ast = "ast"
    ir = "ir"
    sql = "sql"
    py = "py"


EmitOption = Annotated[
    Form | None, typer.Option("--emit", help="Print this form instead of writing the build.")
]


ForceOption = Annotated[bool, typer.Option("--force", help="Write the build also where nothing changed.")]


def compile(
    spec_file: SpecArgument = None,
    emit: EmitOption = None,
    force: ForceOption = False,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Compile a spec into build/NAME/: SQL, training modules, the stage plan."""
    from nesyc.cli.current import choose
    from nesyc.cli.diagnostics import report_warnings
    from nesyc.pipeline import compile_spec

    choice, _ = choose(named_spec(spec_file, spec), build, profile, parse_params(param))
    if emit is not None:
        print_result(*_form(choice, emit), as_json=as_json, out=out)
        return
    compiled = compile_spec(
        choice.spec, choice.build, profile=choice.profile, params=choice.params, again=force
    )
    if compiled.name is None:
        raise SpecErrors(compiled.loaded, compiled.diagnostics)
    if compiled.diagnostics:
        report_warnings(compiled.loaded, compiled.diagnostics)
    result = {
        "v": 1,
        "spec": compiled.name,
        "build": choice.folder.as_posix(),
        "changed": compiled.changed,
        "files": sorted(compiled.files),
    }
    state = "written" if compiled.changed else "unchanged"
    lines = [f"{choice.folder.as_posix()}/ {state}:", *(f"  {name}" for name in sorted(compiled.files))]
    print_result(result, "\n".join(lines), as_json=as_json, out=out)


def _form(choice: object, emit: Form) -> tuple[dict[str, object], str]:
    from nesyc.cli.current import Choice
    from nesyc.pipeline import forms

    assert isinstance(choice, Choice)
    checked, text = forms(choice.spec, emit.value, profile=choice.profile, params=choice.params)
    if text is None:
        raise SpecErrors(checked.loaded, checked.diagnostics)
    return {"v": 1, "emit": emit.value, "text": text}, text
