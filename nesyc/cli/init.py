"""`nesyc init`: a project that runs, to start from."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from nesyc.cli.options import JsonOption, OutOption

PLACEHOLDER = "my_project"
RESERVED = frozenset("and or not true false null".split())
IGNORED = "# what nesyc makes\n/build/\n/runs/\n/.nesy/\n*.db\n*.db-*\n*.db.*\n__pycache__/\n"


class Template(StrEnum):
    kb = "kb"
    distil = "distil"


NameArgument = Annotated[
    Path | None,
    typer.Argument(metavar="[NAME]", help="The folder to make (default: this one).", show_default=False),
]
TemplateOption = Annotated[
    Template,
    typer.Option("--template", help="kb: facts, rules and tests; distil: a student, a teacher and a KB."),
]


def init(
    name: NameArgument = None,
    template: TemplateOption = Template.kb,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Make a project that checks, tests and answers; nothing that is there is overwritten."""
    from nesyc.cli.errors import CliError
    from nesyc.cli.output import print_result
    from nesyc.emit.files import write_atomic

    folder = name or Path()
    files = _files(template, spec_name(folder.resolve().name))
    present = sorted(path for path in files if (folder / path).exists() or (folder / path).is_symlink())
    if present:
        raise CliError(
            f"{', '.join(f'`{(folder / path).as_posix()}`' for path in present)} already there; nothing is written",
            help="name a new folder: `nesyc init NAME`",
        )
    try:
        for path, text in files.items():
            write_atomic(folder / path, text)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise CliError(f"`{folder.as_posix()}` cannot be written: {reason}") from error
    made = sorted(files)
    value = {"v": 1, "folder": folder.as_posix(), "template": template.value, "files": made}
    print_result(value, _next_steps(folder, made), as_json=as_json, out=out)


def spec_name(folder: str) -> str:
    """A folder's name as the language writes names: `My kb-2` gives `my_kb_2`."""
    name = re.sub(r"[^a-z0-9_]+", "_", folder.lower()).strip("_")
    if not name or name[0].isdigit() or name in RESERVED:
        name = f"kb_{name}".rstrip("_")
    return name


def _files(template: Template, name: str) -> dict[str, str]:
    """The texts of a new project by their paths inside it."""
    from nesyc.parsing.paths import shipped_specs

    source = shipped_specs() / "templates" / template.value
    files = {".gitignore": IGNORED}
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            target = path.relative_to(source).as_posix().replace(PLACEHOLDER, name)
            files[target] = path.read_text(encoding="utf-8").replace(PLACEHOLDER, name)
    return files


def _next_steps(folder: Path, made: list[str]) -> str:
    import shlex

    from nesyc.diagnostics.shown import shown

    place = shown(folder.as_posix())
    lines = [f"made {place}/" if place != "." else "made", *(f"  {path}" for path in made), "", "next:"]
    if place != ".":
        lines.append(f"  cd {shlex.quote(place)}")
    return "\n".join([*lines, "  nesyc check", "  nesyc test", "  see README.md for more"])
