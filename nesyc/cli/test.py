"""`nesyc test`: the `test` blocks of a spec, on a fresh KB in memory and without any model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from nesyc.cli import errors
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result

if TYPE_CHECKING:
    from rich.text import Text


def test(
    spec_file: SpecArgument = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Run the spec's tests; exit code 3 where an expectation does not hold."""
    from nesyc.cli.current import choose, resolve_build
    from nesyc.cli.session import runtime_project
    from nesyc.emit.sql import emit_program
    from nesyc_runtime.testing import run_tests

    given = parse_params(param)
    choice, _ = choose(spec_file or spec, build, profile, given)
    compiled, checked = resolve_build(spec_file or spec, build, profile, given)
    programs = {test.name: emit_program(test.kb).to_json() for test in checked.tests if test.kb is not None}
    result = run_tests(compiled, runtime_project(choice.spec), programs)
    print_result(result, _text(result), as_json=as_json, out=out)
    if result["failed"]:
        raise typer.Exit(errors.FAILED)


def _text(result: dict[str, Any]) -> Text:
    """One line a test, and under a failed one what was expected and found."""
    from rich.text import Text

    from nesyc_runtime.files import printable

    text = Text()
    for test in result["tests"]:
        text.append("ok    " if test["ok"] else "FAILED", style="green" if test["ok"] else "bold red")
        text.append(f"  {printable(test['name'])}\n")
        for expect in test["expects"]:
            if not expect["ok"]:
                place = f"{expect['span']['file']}:{expect['span']['line']}"
                text.append(f"        {place}: expected {printable(expect['text'])}\n")
                text.append(f"        {' ' * len(place)}  found    {printable(expect['found'])}\n")
    text.append(f"{result['passed']} passed, {result['failed']} failed\n")
    return text
