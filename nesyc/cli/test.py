"""`nesyc test`: the `test` blocks of a spec, on a fresh KB in memory and without any model."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

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
    named_spec,
    parse_params,
)
from nesyc.cli.output import print_result

KeywordOption = Annotated[
    str | None,
    typer.Option(
        "-k",
        metavar="EXPR",
        help='Only tests whose name holds these words: `chain and not (slow or "two fathers")`.',
    ),
]
JunitOption = Annotated[
    Path | None, typer.Option("--junit", metavar="FILE", help="Write the results as JUnit XML to FILE too.")
]


def test(
    spec_file: SpecArgument = None,
    keyword: KeywordOption = None,
    junit: JunitOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Run the spec's tests; exit code 3 where an expectation does not hold."""
    from nesyc.cli.current import choose, resolve_build, spec_of
    from nesyc.cli.junit import junit_xml
    from nesyc.cli.session import runtime_project
    from nesyc.cli.test_report import report
    from nesyc.emit.files import write_atomic
    from nesyc.emit.sql import emit_program
    from nesyc_runtime.testing import run_tests

    wanted = _wanted(keyword)
    given = parse_params(param)
    choice, _ = choose(named_spec(spec_file, spec), build, profile, given)
    compiled, origin = resolve_build(named_spec(spec_file, spec), build, profile, given)
    checked = spec_of(origin)
    if keyword is not None and not any(wanted(test.name) for test in checked.tests):
        names = ", ".join(f'"{test.name}"' for test in checked.tests[:5])
        raise errors.CliError(f"no test fits `-k {keyword}`", f"there are {names}" if names else "")
    programs = {test.name: emit_program(test.kb).to_json() for test in checked.tests if test.kb is not None}
    result = run_tests(compiled, runtime_project(choice.spec), programs, wanted=wanted)
    if junit is not None:
        write_atomic(junit, junit_xml(result, checked.name))
    print_result(result, report(result), as_json=as_json, out=out)
    if result["failed"]:
        raise typer.Exit(errors.FAILED)


def _wanted(keyword: str | None) -> Callable[[str], bool]:
    from nesyc.cli.name_filter import name_filter

    if keyword is None:
        return lambda name: True
    try:
        return name_filter(keyword)
    except ValueError as error:
        raise typer.BadParameter(f"`-k {keyword}`: {error}") from None
