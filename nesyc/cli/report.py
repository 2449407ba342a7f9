"""`nesyc report`: a run as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    no_source,
    parse_params,
)
from nesyc.cli.pages import OpenOption, write_page

RunArgument = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="The ID of a run (default: the last).", show_default=False),
]
PageOption = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="The HTML file (default: runs/ID/report.html).", callback=no_source
    ),
]
ItemsOption = Annotated[
    int, typer.Option("--items", metavar="N", min=0, help="At most N items of each evaluation; 0 means all.")
]


def report(
    run: RunArgument = None,
    items: ItemsOption = 100,
    open_page: OpenOption = False,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: PageOption = None,
) -> None:
    """Write a run's scores, differences, losses, costs and items as one HTML page that needs no network."""
    from nesyc.cli.current import choose
    from nesyc.cli.errors import CliError
    from nesyc.cli.session import runtime_project
    from nesyc_runtime.report.found import find_run

    try:
        from nesyc_runtime.report.page import report_json, report_page
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe", "altair", "vl_convert"):
            raise
        raise CliError(f"`nesyc report` needs {error.name}", "pip install nesyc[report]") from None
    choice, _ = choose(spec, build, profile, parse_params(param))
    found = find_run(runtime_project(choice.spec).runs_dir, run)
    file = out or found.folder / "report.html"
    write_page(file, report_page(found, items=items), report_json(found), as_json=as_json, show=open_page)
