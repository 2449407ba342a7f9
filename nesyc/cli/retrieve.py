"""`nesyc retrieve`: what the KB gives a question, as it would stand in a prompt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nesyc.cli.errors import CliError
from nesyc.cli.options import (
    BuildOption,
    JsonOption,
    OutOption,
    ParamOption,
    ProfileOption,
    SpecOption,
    parse_params,
)
from nesyc.cli.output import print_result, to_json

if TYPE_CHECKING:
    from nesyc_runtime import config
    from nesyc_runtime.stages.ports import Found

NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="The `retrieve` block.", show_default=False)
]
TextArgument = Annotated[
    str | None,
    typer.Argument(metavar="[TEXT]", help="The question, searched for as it is.", show_default=False),
]
FromOption = Annotated[
    Path | None,
    typer.Option("--from", metavar="FILE", help="A question a line; one JSON object a line comes out."),
]


def retrieve(
    name: NameArgument,
    text: TextArgument = None,
    from_file: FromOption = None,
    spec: SpecOption = None,
    build: BuildOption = None,
    profile: ProfileOption = None,
    param: ParamOption = None,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """Show the entries and facts a question is given."""
    from nesyc.cli.session import open_build, open_knowledge

    if (text is None) == (from_file is None):
        raise typer.BadParameter("give TEXT, or --from FILE")
    questions = [text] if text is not None else _questions(from_file)
    compiled, project = open_build(spec, build, profile, parse_params(param))
    block = block_named(compiled.spec, name)
    with open_knowledge(compiled, project) as knowledge:
        found = knowledge.search(block, questions)
    if from_file is not None:
        lines = "".join(to_json(contract(one)) + "\n" for one in found)
        print_result({}, lines, as_json=False, out=out)
        return
    print_result(contract(found[0]), _shown(found[0]), as_json=as_json, out=out)


def _questions(file: Path | None) -> list[str]:
    assert file is not None
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise CliError(
            f"{file.name} cannot be read: {reason}", "name a text file with a question a line"
        ) from None


def block_named(spec: config.Spec, name: str) -> config.Retrieve:
    """The `retrieve` block of a name; raises `CliError` where the spec has none."""
    found = next((block for block in spec.retrieves if block.name == name), None)
    if found is None:
        known = ", ".join(block.name for block in spec.retrieves)
        raise CliError(
            f"the spec has no `retrieve {name}`",
            f"it has {known}" if known else "add one:  retrieve NAME { }",
        )
    return found


def contract(found: Found) -> dict[str, Any]:
    """The `retrieve` object; the gate asks a student, so there is none here."""
    return {"v": 1, "gate": None, "hits": list(found.hits), "facts": list(found.facts)}


def _shown(found: Found) -> str:
    from nesyc_runtime.files import printable
    from nesyc_runtime.kb.storage.values import shown

    if not found.hits:
        return "nothing found\n"
    lines = []
    for hit in found.hits:
        key = ", ".join(shown(value) for value in hit["key"])
        lines.append(f"{hit['score']:10.4f}  {printable(hit['relation'] + ' ' + key, 60)}")
        lines += [f"            {printable(line, 1000)}" for line in hit["text"].splitlines()]
    return "\n".join(lines) + "\n"
