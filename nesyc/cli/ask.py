"""`nesyc ask`: one question, answered with the KB entries and rules that were used."""

from __future__ import annotations

from typing import Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console

TextArgument = Annotated[
    str | None, typer.Argument(metavar="[TEXT]", help="The question.", show_default=False)
]
InputOption = Annotated[
    str | None, typer.Option("--input", metavar="JSON", help="The task's inputs as one JSON object.")
]
TaskOption = Annotated[
    str | None, typer.Option("--task", metavar="NAME", help="Which task, where a spec answers several.")
]


def ask(
    text: TextArgument = None,
    given: InputOption = None,
    task: TaskOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Answer a question with the model last trained and the knowledge as it is now."""
    from nesyc.cli.session import open_build, open_session
    from nesyc_runtime.report.answers import answer_text
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.stages.ask import answer_policy, read_inputs
    from nesyc_runtime.stages.ask import ask as ask_model

    if text is not None and given is not None:
        raise typer.BadParameter("give TEXT or --input, not both")
    compiled, project = open_build(spec, build, profile, parse_params(param))
    policy = answer_policy(compiled.spec, task)
    declared = next(t for t in compiled.spec.tasks if t.name == policy.task)
    inputs = read_inputs(compiled.spec, declared, text, given)
    with (
        ConsoleReporter(stderr_console()) as reporter,
        open_session(compiled, project, reporter) as ctx,
    ):
        result = ask_model(ctx, policy, inputs)
        if result["note"]:
            reporter.warn(result["note"])
    print_result(result, answer_text(result), as_json=as_json, out=out)
