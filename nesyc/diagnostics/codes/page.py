"""The table of codes as Markdown: docs/diagnostics.md."""

from __future__ import annotations

from collections.abc import Iterator

from nesyc.diagnostics.codes import CODES, WORLD, Code

HEAD = """\
# Diagnostics

Made from the table behind `nesyc explain CODE`; a test holds both together (`pytest --update-golden` writes this page anew). Every example is run by
a test: the first has exactly its code, the second has none. The line `nesy 1` is left out, and where it says so the [declarations](#declarations-left-out)
at the end of the page.

A warning is switched off in the source by `allow(W0401, "why")`: in a KB for that KB, at the head of a file for that file, in the main file for the
whole spec. `nesyc check --format json` and `--format sarif` give the same diagnostics to programs.
"""
AREAS = {
    "E01": "Syntax",
    "E02": "Names and files",
    "E03": "Types",
    "E04": "Rules",
    "E05": "Schema and facts",
    "E06": "Tasks and data",
    "E07": "Pipelines and cost",
    "E08": "Provenance and review",
    "E09": "Tests",
    "W04": "Warnings",
}


def diagnostics_page() -> str:
    """The whole page, with a line end."""
    return "\n".join([HEAD, *_overview(), *_entries(), *_world()]).rstrip() + "\n"


def _overview() -> Iterator[str]:
    yield "| code | |"
    yield "|---|---|"
    for code in CODES.values():
        yield f"| [{code.code}](#{code.code.lower()}) | {code.title} |"
    yield ""


def _entries() -> Iterator[str]:
    area = ""
    for code in CODES.values():
        if code.code[:3] != area:
            area = code.code[:3]
            yield f"## {AREAS[area]}\n"
        yield from _entry(code)


def _entry(code: Code) -> Iterator[str]:
    yield f"### {code.code}\n\n**{code.title}.** {code.why}\n"
    if code.found_by != "check":
        yield f"Reported by `nesyc {code.found_by}`, not by `check`.\n"
    if code.world:
        yield "Declarations left out.\n"
    yield f"```nesy\n{code.bad}\n```\n\nMended:\n\n```nesy\n{code.good}\n```\n"


def _world() -> Iterator[str]:
    yield f"## Declarations left out\n\n```nesy\n{WORLD.rstrip()}\n```"
