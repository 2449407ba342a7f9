"""Where a project's files lie, and the border no path of a spec crosses."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from nesyc_runtime import config
from nesyc_runtime.errors import UserError


@dataclass(frozen=True, slots=True)
class Training:
    """Several processes train together: so many of this machine, or those that `launcher` starts.

    `strategy`: each has the whole model (`ddp`), or a part of its layers (`fsdp`).
    """

    processes: int = 1
    launcher: tuple[str, ...] = ()
    strategy: Literal["ddp", "fsdp"] = "ddp"


@dataclass(frozen=True, slots=True)
class Project:
    """A project folder; `roots` are the further roots of nesyc.yaml, absolute, by name.

    `spec_dir` is the folder of the spec, where `module:function` finds a module file beside it;
    `programs` are the packages nesyc.yaml allows such modules from. `tracking` names the services that
    nesyc.yaml tracks trainings with.
    """

    root: Path
    roots: Mapping[str, Path] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    spec_dir: Path | None = None
    tracking: tuple[str, ...] = ()
    training: Training = Training()

    @property
    def state_dir(self) -> Path:
        return self.root / ".nesy"

    @property
    def answers_file(self) -> Path:
        return self.state_dir / "answers.db"

    @property
    def stages_dir(self) -> Path:
        return self.state_dir / "stages"

    @property
    def runs_dir(self) -> Path:
        return self.root / "runs"

    def files(self, path: config.Path) -> list[Path]:
        """The files a spec's path names, sorted by name; `*`, `?`, `[`, `**` and `{a,b}` match as in a shell.

        Raises `UserError` (E0205) when there is none and (E0206) when one lies, symlinks resolved,
        outside the project folder or the named root.
        """
        root = self._root_of(path)
        pattern = PurePosixPath(path.pattern)
        if pattern.is_absolute() or ".." in pattern.parts:
            raise UserError(
                f"path `{show(path)}` leaves its root", "name a file inside the project folder", code="E0206"
            )
        found = _expand(root, path.pattern)
        if not found:
            raise UserError(
                f"no file matches `{show(path)}`",
                f"looked in {root}; check the path, or put the file there",
                code="E0205",
            )
        for file in found:
            if not file.resolve().is_relative_to(root):
                raise UserError(
                    f"`{show(path)}` leads outside its root through {file.name}",
                    "declare the folder it points at as a root in nesyc.yaml",
                    code="E0206",
                )
        return found

    def file(self, path: config.Path) -> Path:
        """The one file or folder a path names; raises `UserError` as `files` does, or where it names more."""
        found = self.files(path)
        if len(found) > 1:
            raise UserError(f"`{show(path)}` names {len(found)} files where one is meant", "name one file")
        return found[0]

    def _root_of(self, path: config.Path) -> Path:
        if not path.root:
            return self.root.resolve()
        root = self.roots.get(path.root)
        if root is None:
            raise UserError(
                f"`@{path.root}` is no root of this project",
                f"declare it in nesyc.yaml:  roots: {{{path.root}: FOLDER}}",
                code="E0206",
            )
        if not root.is_dir():
            raise UserError(
                f"the root `@{path.root}` is not there: {root}",
                "set its environment variable, or change `roots` in nesyc.yaml",
                code="E0205",
            )
        return root.resolve()

    def shown(self, file: Path) -> str:
        """A file's name relative to its root, for messages and stored places: no path of this machine."""
        resolved = file.resolve()
        for name, root in (("", self.root), *self.roots.items()):
            if resolved.is_relative_to(root.resolve()):
                relative = resolved.relative_to(root.resolve()).as_posix()
                return f"@{name}/{relative}" if name else relative
        return file.name


def show(path: config.Path) -> str:
    """A path as the spec writes it."""
    return f"@{path.root}/{path.pattern}" if path.root else path.pattern


def _expand(root: Path, pattern: str) -> list[Path]:
    names: set[str] = set()
    for plain in expand_braces(pattern):
        if glob.has_magic(plain):
            names.update(glob.glob(plain, root_dir=root, recursive=True))  # noqa: PTH207 - Path.glob follows `..`
        else:
            names.add(plain)
    magic = glob.has_magic(pattern) or "{" in pattern
    return [
        root / name
        for name in sorted(names)
        if (root / name).is_file() or (not magic and (root / name).exists())
    ]


def expand_braces(pattern: str) -> list[str]:
    """`{a,b}.json` as `a.json`, `b.json`, as a shell expands it; braces do not nest."""
    opened = pattern.find("{")
    closed = pattern.find("}", opened)
    if opened < 0 or closed < 0:
        return [pattern]
    rests = expand_braces(pattern[closed + 1 :])
    return [
        pattern[:opened] + choice + rest
        for choice in pattern[opened + 1 : closed].split(",")
        for rest in rests
    ]
