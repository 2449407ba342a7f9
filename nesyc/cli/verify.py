"""`nesyc verify`: whether what lies on the disk is whole."""

from __future__ import annotations

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


def verify(
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Check that build, knowledge bases, answers, weights and scores are whole; exit 1 where one is not."""
    from nesyc.cli import errors
    from nesyc.cli.current import choose
    from nesyc.cli.output import print_result
    from nesyc.cli.session import runtime_project
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.stages.verify import verify as check_all

    # the build as it lies there: compiled again, it would always be whole
    choice, _ = choose(spec, build, profile, parse_params(param))
    checks = check_all(load_build(choice.folder), runtime_project(choice.spec))
    lines = []
    for check in checks:
        lines.append(f"{'ok  ' if check.ok else 'FAIL'}  {check.what}")
        lines += [f"      {problem}" for problem in check.problems]
        if not check.ok and check.help:
            lines.append(f"      = help: {check.help}")
    ok = all(check.ok for check in checks)
    result = {
        "v": 1,
        "ok": ok,
        "checks": [
            {"what": c.what, "ok": c.ok, "problems": list(c.problems), "help": "" if c.ok else c.help}
            for c in checks
        ],
    }
    print_result(result, "\n".join(lines), as_json=as_json, out=out)
    if not ok:
        raise typer.Exit(errors.USER_ERROR)
