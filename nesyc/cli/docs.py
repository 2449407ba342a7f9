"""`nesyc docs`: a spec as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    ParamOption,
    ProfileOption,
    SpecArgument,
    SpecOption,
    named_spec,
    no_source,
    parse_params,
)
from nesyc.cli.pages import OpenOption, write_page

PageOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="The HTML file (default: NAME.docs.html in the build folder).",
        callback=no_source,
    ),
]


def docs(
    spec_file: SpecArgument = None,
    open_page: OpenOption = False,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: PageOption = None,
) -> None:
    """Write a spec's declarations, diagrams and lineage as one HTML page that needs no network."""
    from nesyc.cli.current import choose
    from nesyc.cli.errors import CliError, SpecErrors
    from nesyc.pipeline import check_spec

    try:
        from nesyc.docs import docs_json, docs_page, sections_of
    except ModuleNotFoundError as error:
        if error.name not in ("jinja2", "markupsafe"):
            raise
        raise CliError("`nesyc docs` needs jinja2", "pip install nesyc[docs]") from None
    choice, _ = choose(named_spec(spec_file, spec), build, profile, parse_params(param))
    checked = check_spec(choice.spec, profile=choice.profile, params=choice.params)
    if checked.spec is None:
        raise SpecErrors(checked.loaded, checked.diagnostics)
    file = out or choice.build / f"{checked.spec.name}.docs.html"
    write_page(
        file, docs_page(checked), docs_json(checked, sections_of(checked)), as_json=as_json, show=open_page
    )
