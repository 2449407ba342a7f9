"""A spec with all it includes, and the project it lies in."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from nesyc.diagnostics import Diagnostic, Edit, Help, Related, SourceMap, arrange
from nesyc.diagnostics.layout import Layout, moved
from nesyc.diagnostics.span import Span
from nesyc.parsing.given import Given
from nesyc.parsing.parse import parse_file
from nesyc.parsing.paths import SHIPPED, locate, read_source, shipped_specs
from nesyc.parsing.settings_file import NAME, Settings, read_settings
from nesyc.parsing.source import Source, parse_again, parse_source, ready_for_keys
from nesyc.syntax import nodes

DEEPEST = 50
"""Includes within includes: a guard for the stack, far above what people write."""


@dataclass(frozen=True, slots=True)
class Project:
    """The folder a spec lies in and what its nesyc.yaml says.

    `roots` are absolute; `default` is the spec that commands without one use; `programs` are the
    packages that `program("module:function")` may come from.
    """

    root: Path
    roots: Mapping[str, Path] = field(default_factory=dict)
    profiles: Mapping[str, Mapping[str, Given]] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    default: Path | None = None

    def path_of(self, name: str) -> Path:
        """The file of a name as spans have it: `rules/a.nesy`, `@bench/a.nesy`."""
        root, slash, rest = name.partition("/")
        roots = {**self.roots, SHIPPED: shipped_specs()}
        return roots[root[1:]] / rest if slash and root[:1] == "@" and root[1:] in roots else self.root / name


@dataclass(frozen=True, slots=True)
class Loaded:
    """A spec as read: `files` is `main` and all that it includes, in order, each once.

    `texts` are what spans point into, by the names in them, nesyc.yaml among them: the files' sources, or
    where `edited` has a layout for a file its buffer (see `nesyc.diagnostics.layout`). A file with errors
    is there with what could be read of it. The places of `diagnostics` are those of the files as they are.
    `awaited` are files that are included and not there yet, because a stage is going to write them. `options`
    are values of the command line that spans point into, by the options' names.
    """

    project: Project
    main: nodes.File
    files: tuple[nodes.File, ...]
    texts: Mapping[str, str]
    diagnostics: tuple[Diagnostic, ...]
    edited: Mapping[str, Layout] = field(default_factory=dict)
    awaited: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    def place(self, span: Span) -> Span:
        """Where a span of the nodes stands in its file as it is now."""
        layout = self.edited.get(span.file)
        return span if layout is None else layout.place(span)

    def placed(self, found: Iterable[Diagnostic]) -> list[Diagnostic]:
        """Diagnostics at the places of now."""
        return [moved(one, self.place) for one in found] if self.edited else list(found)

    @property
    def sources(self) -> SourceMap:
        return SourceMap({**self.texts, **self.options})


def find_project(spec: Path | None) -> Path:
    """The project folder: the nearest one above `spec` with a nesyc.yaml, else the current folder if
    `spec` lies in it, else the folder of `spec`. Without a spec, the search begins in the current folder.
    """
    here = Path.cwd()
    folder = here if spec is None else _absolute(spec).parent
    for candidate in (folder, *folder.parents):
        if (candidate / NAME).is_file():
            return candidate
    return here if folder.is_relative_to(here) else folder


def find_default_spec(folder: Path) -> Path | None:
    """The spec that nesyc.yaml names, there or not, else the only .nesy file of `folder` that is no fragment."""
    root = find_project(folder / "any.nesy")
    settings, _ = _read_settings(root, {})
    if settings.spec is not None:
        return root / settings.spec
    whole = [path for path in sorted(folder.glob("*.nesy")) if path.is_file() and not _is_fragment(path)]
    return whole[0] if len(whole) == 1 else None


def load_spec(
    path: Path, unsaved: Mapping[Path, str] | None = None, known: dict[str, Source] | None = None
) -> Loaded:
    """Read and parse a spec, its includes and its project's nesyc.yaml.

    `unsaved` are texts an editor holds, by absolute path; they stand for what is on disk. `known` are the
    files as they were parsed last: only what changed is parsed, and they are replaced by what is found.
    Every mistake, an unreadable file among them, is a diagnostic; nothing is raised.
    """
    path = _absolute(path)
    root = find_project(path)
    loader = _Loader(root, dict(unsaved or {}), known or {})
    loader.load(path.relative_to(root).as_posix(), path, None, ())
    loader.report_missing()
    main = next(iter(loader.files.values()))
    settings = loader.settings
    project = _project(root, settings)
    files = tuple(loader.files.values())
    edited = {name: source.layout for name, source in loader.sources.items() if source.is_edited}
    loaded = Loaded(project, main, files, loader.texts, (), edited, loader.awaited())
    own = loaded.placed((*settings.problems, *loader.unset_roots(), *loader.problems))
    of_files = [problem for source in loader.sources.values() for problem in source.diagnostics]
    if known is not None:
        known.clear()
        known.update(loader.sources)
    return replace(loaded, diagnostics=arrange((*own, *of_files), [file.path for file in files]))


def read_project(spec: Path) -> Project:
    """The project a spec lies in; what is wrong with its nesyc.yaml is left to `load_spec`."""
    root = find_project(spec)
    return _project(root, _read_settings(root, {})[0])


def _project(root: Path, settings: Settings) -> Project:
    default = root / settings.spec if settings.spec else None
    return Project(root, settings.roots, settings.profiles, settings.programs, default)


class _Loader:
    """Reads files depth first, each once; remembers what was read and what was wrong."""

    def __init__(self, root: Path, unsaved: dict[Path, str], known: Mapping[str, Source]) -> None:
        self.root, self.unsaved, self.known = root, unsaved, known
        self.sources: dict[str, Source] = {}
        self.files: dict[str, nodes.File] = {}
        self.texts: dict[str, str] = {}
        self.problems: list[Diagnostic] = []
        self.missing: list[tuple[str, Diagnostic]] = []
        self.settings, text = _read_settings(root, unsaved)
        if text is not None:
            self.texts[NAME] = text

    def load(
        self, name: str, file: Path, include: nodes.Include | None, chain: tuple[nodes.Include, ...]
    ) -> None:
        at = include.path.span if include else Span(name, 0, 0)
        text = self.unsaved.get(file)
        if text is None:
            read = read_source(name, file, at)
            if isinstance(read, Diagnostic):
                self._unreadable(name, file, read, include)
                return
            text = read
        before = self.known.get(name)
        source = parse_source(name, text) if before is None else parse_again(before, text)
        if file in self.unsaved and source is not before:  # somebody is writing it
            source = ready_for_keys(source)
        self.sources[name] = source
        self.files[name], self.texts[name] = source.file, source.buffer
        for inner, kb in _includes(source.file):
            self._follow(inner, kb, chain)

    def _unreadable(self, name: str, file: Path, problem: Diagnostic, include: nodes.Include | None) -> None:
        if include is not None and not file.exists():
            self.missing.append((name, problem))
            return
        self.problems.append(problem)
        if include is None:
            self.files[name] = nodes.File(name, None, None, (), (), Span(name, 0, 0))

    def _follow(
        self, include: nodes.Include, kb: nodes.Ident | None, chain: tuple[nodes.Include, ...]
    ) -> None:
        found = locate(include.path, self.root, {**self.settings.roots, SHIPPED: shipped_specs()})
        if isinstance(found, Diagnostic):
            if not self._root_is_unset(include.path.value):
                self.problems.append(found)
            return
        name, file = found
        chain = (*chain, include)
        open_files = [step.path.span.file for step in chain]
        if name in open_files:
            self.problems.append(_cycle(name, chain[open_files.index(name) :]))
            return
        if len(chain) > DEEPEST:
            message = f"more than {DEEPEST} files include each other in a row"
            self.problems.append(Diagnostic("E0203", message, include.path.span))
            return
        if name not in self.files:
            self.load(name, file, include, chain)
        loaded = self.files.get(name)
        if loaded is not None and kb is not None:
            self.problems += _check_fragment(loaded, self.sources[name].text, include, kb)

    def report_missing(self) -> None:
        """E0205 for the files that are not there, other than those a stage is going to write."""
        awaited = self.awaited()
        self.problems += [problem for name, problem in self.missing if name not in awaited]

    def awaited(self) -> tuple[str, ...]:
        """The included files that are not there and that a stage is going to write."""
        written = {name for file in self.files.values() for name in _written_by_stages(file)}
        return tuple(dict.fromkeys(name for name, _ in self.missing if name in written))

    def unset_roots(self) -> Iterator[Diagnostic]:
        """E0205 for a root that a source uses while its environment variable has no value."""
        for root, (variable, span) in self.settings.unset.items():
            if any(f'"@{root}/' in source.text for source in self.sources.values()):
                yield Diagnostic(
                    "E0205",
                    f"root `@{root}` needs the environment variable {variable}, which is not set",
                    span,
                    "no value",
                    help=Help(f"set {variable}, or give a default: ${{{variable}:-FOLDER}}"),
                )

    def _root_is_unset(self, path: str) -> bool:
        return path.startswith("@") and path[1:].partition("/")[0] in self.settings.unset


def _absolute(path: Path) -> Path:
    """The path from the root of the file system, `..` taken out, symbolic links left as they are."""
    return Path(os.path.normpath(Path.cwd() / path))


def _read_settings(root: Path, unsaved: Mapping[Path, str]) -> tuple[Settings, str | None]:
    file = root / NAME
    text: str | Diagnostic | None = unsaved.get(file)
    if text is None:
        if not file.exists():
            return Settings(), None
        text = read_source(NAME, file, Span(NAME, 0, 0))
    if isinstance(text, Diagnostic):
        return Settings(problems=[text]), None
    return read_settings(text, root), text


def _includes(file: nodes.File) -> Iterator[tuple[nodes.Include, nodes.Ident | None]]:
    """The includes of a file, each with the KB it stands in."""
    for item in file.fragment_items:
        if isinstance(item, nodes.Include):
            yield item, file.fragment_of
    for declaration in file.declarations:
        if isinstance(declaration, nodes.Include):
            yield declaration, None
        elif isinstance(declaration, nodes.Kb):
            for item in declaration.items:
                if isinstance(item, nodes.Include):
                    yield item, declaration.name


def _check_fragment(
    file: nodes.File, text: str, include: nodes.Include, kb: nodes.Ident
) -> Iterator[Diagnostic]:
    """An include inside a KB brings a fragment of this very KB."""
    if file.fragment_of is not None and file.fragment_of.text != kb.text:
        span = file.fragment_of.span
        yield Diagnostic(
            "E0201",
            f"`{file.path}` is a fragment of `{file.fragment_of.text}`, but KB `{kb.text}` includes it",
            span,
            "another KB",
            (Related(include.span, "included here"),),
            help=Help(f"write `fragment of {kb.text}`", (Edit(span, kb.text),)),
        )
    elif file.fragment_of is None and (file.declarations or not text.strip()):
        yield Diagnostic(
            "E0201",
            f"`{file.path}` is included in KB `{kb.text}`, but it is no fragment of it",
            include.path.span,
            "only a fragment can stand here",
            help=Help(
                f"begin that file with `nesy 1` and `fragment of {kb.text}`, or include it outside the KB"
            ),
        )


def _cycle(name: str, chain: tuple[nodes.Include, ...]) -> Diagnostic:
    names = [step.path.span.file for step in chain]
    earlier = tuple(Related(step.path.span, "included here") for step in chain[:-1])
    return Diagnostic(
        "E0203",
        "files include each other: " + " -> ".join([*names, name]),
        chain[-1].path.span,
        "closes the circle",
        earlier,
        help=Help("remove one of these includes; declarations of an included file are visible everywhere"),
    )


def _written_by_stages(file: nodes.File) -> Iterator[str]:
    """The files that `induce` stages write, named as in spans."""
    for declaration in file.declarations:
        calls: list[nodes.Call] = []
        if isinstance(declaration, (nodes.Pipeline, nodes.Method)):
            calls += [stage.call for stage in declaration.stages if stage.call.function.text == "induce"]
        if isinstance(declaration, nodes.Pipeline) and declaration.call is not None:
            calls.append(declaration.call)  # a method may take the path as a parameter
        for call in calls:
            for argument in call.arguments:
                if isinstance(argument.value, nodes.Text):
                    folder = posixpath.dirname(argument.value.span.file)
                    yield posixpath.normpath(posixpath.join(folder, argument.value.value))


def _is_fragment(path: Path) -> bool:
    text = read_source(path.name, path, Span(path.name, 0, 0))
    return isinstance(text, str) and parse_file(path.name, text).file.fragment_of is not None
