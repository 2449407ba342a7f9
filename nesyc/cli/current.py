"""Which compiled spec a command works on, compiled again first where its sources changed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.cli.errors import CliError
from nesyc.cli.output import stderr_console

if TYPE_CHECKING:
    from nesyc.ir import nodes
    from nesyc.pipeline import Compiled
    from nesyc_runtime.artifact import Build


CURRENT = "current"
"""The file of a build folder that names the spec compiled last."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A spec to work on: its file, its build folder, and the profile and params it is compiled with."""

    spec: Path
    build: Path
    profile: str | None
    params: dict[str, str]

    @property
    def folder(self) -> Path:
        return self.build / self.spec.stem


def choose(
    spec: Path | None, build: Path | None, profile: str | None, params: dict[str, str]
) -> tuple[Choice, str]:
    """The spec named, else the last compiled one, else nesyc.yaml's, else the folder's only one; and why.

    The last compiled one keeps its profile and params where no profile is given, and those params that are not given again.
    Raises `CliError` where none of these names a spec.
    """
    from nesyc.parsing.project import find_default_spec, find_project

    if spec is not None:
        if spec.stem == CURRENT:
            raise CliError(
                f"a spec cannot be called {CURRENT}: build/{CURRENT} names the one compiled last",
                "give the file another name",
            )
        root = find_project(spec)
        folder = build or root / "build"
        return Choice(spec, folder, profile, params), "named on the command line"
    folder = build or find_project(None) / "build"
    last = _last_compiled(folder)
    if last is not None:
        choice, kept = _with_last(Choice(last, folder, profile, params))
        return choice, f"the last compiled, {folder.name}/{CURRENT}{kept}"
    found = find_default_spec(Path.cwd())
    if found is not None and not found.is_file():
        raise CliError(
            f"nesyc.yaml names a spec that is not there: {found.name}",
            "correct its line `spec:`, or name one: `nesyc compile FILE.nesy`",
        )
    if found is None:
        raise CliError(
            "no spec: nothing is compiled here, and the folder does not hold exactly one .nesy file",
            help="name one: `nesyc compile FILE.nesy`, or `--spec FILE.nesy`",
        )
    return Choice(found, folder, profile, params), "the folder's spec"


def resolve_build(
    spec: Path | None,
    build: Path | None,
    profile: str | None,
    params: dict[str, str],
    *,
    quiet: bool = False,
) -> tuple[Build, Compiled]:
    """The compiled build to work on and how it came to be; compiles where sources or settings changed.

    A build that cannot be read (damaged, or of another state of nesyc) is compiled again: it holds nothing of its own.
    Raises `CliError` (exit 1) when there is no spec, `SpecErrors` when it has errors.
    """
    from nesyc.pipeline import compile_spec
    from nesyc_runtime.artifact import load_build
    from nesyc_runtime.errors import UserError

    choice, why = choose(spec, build, profile, params)
    compiled = compile_spec(choice.spec, choice.build, profile=choice.profile, params=choice.params)
    if compiled.name is None:
        from nesyc.cli.errors import SpecErrors

        if not quiet:  # a param that is wrong may be one of then
            stderr_console().print(f"[dim]spec {choice.spec.name} ({why})[/dim]")
        raise SpecErrors(compiled.loaded, compiled.diagnostics)
    try:
        built = load_build(choice.folder)
    except UserError:
        compiled = compile_spec(
            choice.spec, choice.build, profile=choice.profile, params=choice.params, again=True
        )
        built = load_build(choice.folder)
    if not quiet:
        note = ", compiled again" if compiled.changed else ""
        stderr_console().print(f"[dim]spec {built.spec.path} ({why}{note})[/dim]")
    return built, compiled


def spec_of(compiled: Compiled) -> nodes.Spec:
    """The checked spec behind a build; raises `SpecErrors` where it was broken in this very moment."""
    if compiled.spec is None:
        from nesyc.cli.errors import SpecErrors

        raise SpecErrors(compiled.loaded, compiled.checked.diagnostics)
    return compiled.spec


def _last_compiled(build: Path) -> Path | None:
    try:
        name = (build / CURRENT).read_text(encoding="utf-8").strip()
        where = json.loads((build / "specs.json").read_text(encoding="utf-8"))[name]
    except (OSError, ValueError, KeyError):
        return None
    path = (build / where).resolve()
    return path if path.is_file() else None


def _with_last(choice: Choice) -> tuple[Choice, str]:
    """Fill in what the last compilation of this spec was given, where the command line says nothing; and what that is."""
    from nesyc.parsing.project import read_project

    manifest = read_manifest(choice.folder)
    if manifest is None or choice.profile is not None:
        return choice, ""
    profile, params = manifest.get("profile"), manifest.get("params_given", {})
    kept = [f"{name}={value}" for name, value in params.items() if name not in choice.params]
    gone = profile is not None and profile not in read_project(choice.spec).profiles
    if profile is not None and not gone:
        kept.insert(0, f"profile {profile}")
    told = f", still with {', '.join(kept)}" if kept else ""
    told += f", its profile {profile} is gone" if gone else ""
    chosen = Choice(choice.spec, choice.build, None if gone else profile, {**params, **choice.params})
    return chosen, told


def read_manifest(folder: Path) -> dict[str, Any] | None:
    try:
        value = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
