"""A spec checked again and again, as an editor does: what did not change is neither parsed nor checked again."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from nesyc.checks.memo import Memo
from nesyc.checks.run import run_checks
from nesyc.checks.tables import Tables, build_tables
from nesyc.diagnostics import Diagnostic, arrange, near_names
from nesyc.diagnostics.diagnostic import Help
from nesyc.diagnostics.span import Span
from nesyc.parsing.given import PARAM, PROFILE, given_by_options
from nesyc.parsing.project import Loaded, Project, load_spec
from nesyc.parsing.source import Source

if TYPE_CHECKING:
    from nesyc.ir import nodes


@dataclass(frozen=True)
class Checked:
    """A spec as checked. `texts` are its files as they are, by the names in spans, nesyc.yaml among them.

    `known` is what the checks learned. Of files of which only a part was parsed again, its spans stand where
    `known.loaded.place` says; who needs no places, or few, has it at no cost.
    """

    project: Project
    texts: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]
    known: Tables
    _anew: Callable[[], Checked]

    @cached_property
    def tables(self) -> Tables:
        """What the checks learned, each span at its place; where only a part was parsed again, all is for this."""
        return self._anew().known if self.known.loaded.edited else self.known

    @property
    def loaded(self) -> Loaded:
        """The spec as read, at the same cost as `tables`."""
        return self.tables.loaded

    @cached_property
    def spec(self) -> nodes.Spec | None:
        """The typed IR, made when first asked for; None exactly when a diagnostic is an error."""
        from nesyc.ir.lower import lower  # a check needs no IR, and its many nodes take time to import

        wrong = any(problem.severity == "error" for problem in self.diagnostics)
        return None if wrong else lower(self.tables)


def check_spec(
    path: Path,
    *,
    profile: str | None = None,
    params: Mapping[str, str] | None = None,
    unsaved: Mapping[Path, str] | None = None,
) -> Checked:
    """Read and check a spec once. Every mistake is a diagnostic; nothing is raised for the user's input.

    `profile` names one of nesyc.yaml's, `params` are `--param name=value`, `unsaved` texts an editor holds,
    by absolute path.
    """
    return Workspace(path, profile, params or {}).check(unsaved)


@dataclass(slots=True)
class Workspace:
    """Checks one spec as often as asked. Each time it finds what `check_spec` would; what it keeps only saves time."""

    spec: Path
    profile: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)
    _memo: Memo = field(default_factory=Memo)

    def check(self, unsaved: Mapping[Path, str] | None = None) -> Checked:
        """The spec as it is now, `unsaved` (texts an editor holds, by absolute path) standing for files on disk."""
        with no_collection():
            return self._check(unsaved)

    def _check(self, unsaved: Mapping[Path, str] | None) -> Checked:
        loaded = load_spec(self.spec, unsaved, self._sources)
        profiles = loaded.project.profiles
        problems = list(loaded.diagnostics)
        given, options = given_by_options(self.params)
        loaded = replace(loaded, options={PARAM: options, PROFILE: self.profile or ""})
        if self.profile is not None and self.profile not in profiles:
            problems.append(_unknown_profile(self.profile, tuple(profiles)))
        tables = build_tables(loaded, profiles.get(self.profile or "", {}), given, self._memo)
        problems.extend(run_checks(tables))
        found = arrange(problems, [file.path for file in loaded.files])
        texts = {**loaded.texts, **{name: source.text for name, source in self._sources.items()}}
        anew = partial(Workspace(self.spec, self.profile, self.params).check, dict(unsaved or {}))
        return Checked(loaded.project, texts, found, tables, anew)


@contextmanager
def no_collection() -> Iterator[None]:
    """Without Python's search for cycles, which over and over goes through all that is made here and kept."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _unknown_profile(name: str, known: tuple[str, ...]) -> Diagnostic:
    near = near_names(name, known)
    help_ = Help(f"did you mean `{near[0]}`?" if near else "declare it in nesyc.yaml under `profiles`")
    span = Span(PROFILE, 0, len(name))
    return Diagnostic("E0201", f"there is no profile `{name}`", span, "asked for", help=help_)
