"""The options every command shares, spelled once."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

SpecArgument = Annotated[
    Path | None, typer.Argument(metavar="[SPEC]", help="The .nesy file.", show_default=False)
]
SpecOption = Annotated[
    Path | None,
    typer.Option("--spec", metavar="FILE", help="The .nesy file (default: the last compiled one)."),
]
BuildOption = Annotated[
    Path | None,
    typer.Option("--build", metavar="DIR", help="Where compiled specs lie (default: build/ in the project)."),
]
ProfileOption = Annotated[
    str | None, typer.Option("--profile", metavar="NAME", help="A profile of nesyc.yaml.")
]
ParamOption = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="Set a `param` of the spec; may be repeated."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
EXPORT_HEAD = "# nesyc kb export: "
"""How a line near the top begins in a file that `nesyc kb export` wrote in the language."""


def no_source(out: Path | None) -> Path | None:
    """The file a result goes to. Raises `typer.BadParameter` (exit 2), before anything is done, for one that a person wrote."""
    if out is None or not out.is_file():
        return out
    if out.suffix not in (".nesy", ".py") and out.name != "nesyc.yaml":
        return out
    with out.open(encoding="utf-8", errors="replace") as file:
        if any(line.startswith(EXPORT_HEAD) for line in islice(file, 3)):
            return out
    raise typer.BadParameter(f"`{out.name}` is there and is a source: name another file")


OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        help="Write the result to FILE instead of stdout, atomically.",
        callback=no_source,
    ),
]
KbOption = Annotated[
    str | None, typer.Option("--kb", metavar="NAME", help="Which KB, where a spec has several.")
]
LimitOption = Annotated[int, typer.Option("--limit", metavar="N", min=0, help="At most N rows; 0 means all.")]


def named_spec(argument: Path | None, option: Path | None) -> Path | None:
    """The spec that a command is given as its argument or by --spec; raises `typer.BadParameter` (exit 2) for two."""
    if argument is not None and option is not None and argument != option:
        raise typer.BadParameter(f"two specs are named, {argument.name} and, by --spec, {option.name}")
    return argument or option


WhoOption = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Who decides, for the history (default: your user name)."),
]


def user_name(given: str | None) -> str:
    """The name a change goes by: the one given, else the name of the user.

    Raises `typer.BadParameter` (exit 2) for a name that stands for no person in the history.
    """
    import getpass

    if given:
        if _is_taken(given):
            raise typer.BadParameter(f"`{given[:40]}` stands for no person in the history: give a name")
        return given
    try:
        name = getpass.getuser()
        return f"user {name}" if _is_taken(name) else name
    except (OSError, KeyError):  # a user without a name
        return "person"


def _is_taken(name: str) -> bool:
    """Whether the history says this of what follows the text, of a stage or of another program."""
    return name in ("source", "nesyc", "outside nesyc") or name.startswith("stage:")


def parse_params(items: list[str] | None) -> dict[str, str]:
    """`["a=1", "b=x"]` as a mapping; raises `typer.BadParameter` (exit 2) for an item without `=`."""
    params: dict[str, str] = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise typer.BadParameter(f"`--param {item}` is not of the form name=value")
        params[name.strip()] = value
    return params
