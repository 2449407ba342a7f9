"""`nesyc show`: what goes into a stage, to look at before it is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    LimitOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, stderr_console

if TYPE_CHECKING:
    from rich.text import Text

StageArgument = Annotated[str, typer.Argument(metavar="STAGE", help="A finetune stage.", show_default=False)]
StepsOption = Annotated[int, typer.Option("--steps", metavar="N", min=1, help="The first N optimizer steps.")]

app = typer.Typer(no_args_is_help=True, help="Show what goes into a stage.")


@app.callback()
def _show() -> None:
    """Show what goes into a stage."""


@app.command("batch")
def batch(
    stage: StageArgument,
    steps: StepsOption = 1,
    limit: LimitOption = 1000,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show the first batch of a finetune stage: the text each row reads and the text it learns. Trains nothing."""
    from nesyc.cli.session import open_build, open_session
    from nesyc_runtime.report.progress import ConsoleReporter
    from nesyc_runtime.stages.show_batch import show_batch

    compiled, project = open_build(spec, build, profile, parse_params(param))
    with (
        ConsoleReporter(stderr_console()) as reporter,
        open_session(compiled, project, reporter) as ctx,
    ):
        result = show_batch(ctx, stage, steps=steps, limit=limit)
    print_result(_valid(result), batch_text(result), as_json=as_json, out=out)


def batch_text(result: Mapping[str, Any]) -> Text:
    """The rows as people read them: what is read is dim behind a thin bar, what is learned stands behind a thick one."""
    from rich.text import Text

    text = Text(_head(result))
    for row in result["rows"]:
        text.append(f"\n\n{_row_head(row)}", "bold")
        for part in row["parts"]:
            bar, style = ("┃", "") if part["learned"] else ("│", "dim")
            for line in _lines(part["text"]):
                text.append(f"\n  {bar} {line}", style)
    if result["truncated"]:
        text.append(f"\n\n{result['total'] - len(result['rows'])} more rows: --limit 0 shows all")
    return text


def _head(result: Mapping[str, Any]) -> str:
    steps, tokens = result["steps"], result["tokens"]
    which = "step 1" if steps["shown"] == 1 else f"steps 1 to {steps['shown']}"
    cut = ", ".join(f"{count} lost some of the {part}" for part, count in sorted(result["cut"].items()))
    return (
        f"{result['stage']}: {which} of {steps['total']}, {result['total']} rows; "
        f"{result['items']} items in batches of {result['batch']}, "
        f"{'packed' if result['layout']['packed'] else 'padded'}\n"
        f"tokens: {tokens['read']} read (│), {tokens['learned']} learned (┃), {tokens['padding']} padding"
        + (f"; {tokens['shared']} more stand in beginnings that rows share" if tokens["shared"] else "")
        + (f"\ncut, of all rows: {cut}" if cut else "")
    )


def _row_head(row: Mapping[str, Any]) -> str:
    from nesyc.diagnostics.shown import shown

    tokens = row["tokens"]
    shared = f" ({tokens['shared']} with rows before)" if tokens["shared"] else ""
    parts = [f"{tokens['read']} read{shared}, {tokens['learned']} learned"]
    if tokens["padding"]:
        parts.append(f"{tokens['padding']} padding")
    if row["cut"]:
        parts.append(f"cut: {', '.join(row['cut'])}")
    within = f"row {row['row']}" if row["segment"] is None else f"segment {row['segment']}"
    place = f"step {row['step']}, micro-batch {row['micro_batch']}, {within}"
    return f"{place}  .{row['task']} of {shown(row['item'])}  ({'; '.join(parts)}; weight {row['weight']:.4g} a token)"


def _lines(text: str) -> Iterator[str]:
    """The lines of a text; a line break that ends it is shown, for it is a token of its own."""
    from nesyc.diagnostics.shown import shown

    lines = text.split("\n")
    if lines[-1] == "":
        lines = lines[:-1]
        lines[-1] += "⏎"
    return map(shown, lines)


def _valid(value: Any) -> Any:
    """The object with texts that JSON can hold."""
    from nesyc.diagnostics.shown import valid

    match value:
        case dict():
            return {key: _valid(one) for key, one in value.items()}
        case list():
            return [_valid(one) for one in value]
        case str():
            return valid(value)
        case _:
            return value
