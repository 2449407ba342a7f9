"""The paths a spec names, and the border they do not cross: the project folder or a declared root."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nesyc.checks.kinds import Located
from nesyc.checks.messages import did_you_mean
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.span import Span

WILDCARDS = frozenset("*?[{")


@dataclass(frozen=True, slots=True)
class Paths:
    """`root` is the project folder, `roots` the further ones of nesyc.yaml; all absolute."""

    root: Path
    roots: Mapping[str, Path]

    def locate(self, text: str, span: Span, *, must_exist: bool = False) -> Located | Diagnostic:
        """Where `text`, written at `span`, leads: relative to the file that names it, or `@root/...`.

        E0206 where it leaves its root, symbolic links resolved; E0205 where `must_exist` and it does not.
        """
        if not text or "\x00" in text or "\\" in text or posixpath.isabs(text) or text.startswith("~"):
            return _outside(text, span, "a path is relative to the file that names it, with `/` between folders")
        if text.startswith("@"):
            root, _, rest = text[1:].partition("/")
            base = self.roots.get(root)
            if base is None:
                return self._unknown_root(root, span)
            joined = posixpath.normpath(rest or ".")
        else:
            root, base = "", self.root
            joined = posixpath.normpath(posixpath.join(posixpath.dirname(span.file), text))
        where = "its root" if root else "the project folder"
        if joined == ".." or joined.startswith("../") or posixpath.isabs(joined):
            return _outside(text, span, f"it leads out of {where}")
        located = Located(root, joined, span)
        fixed = base / fixed_part(joined)
        if not _inside(fixed, base):
            return _outside(text, span, f"a symbolic link leads out of {where}")
        if must_exist and not fixed.is_file():
            message = f"there is no file `{joined}`"
            help_ = Help("check the path: it is relative to the file that names it")
            return Diagnostic("E0205", message, span, label="not found", help=help_)
        return located

    def file(self, located: Located) -> Path:
        """The place on this machine of a path without wildcards."""
        return (self.roots[located.root] if located.root else self.root) / located.pattern

    def _unknown_root(self, root: str, span: Span) -> Diagnostic:
        near = did_you_mean(root, self.roots, span, prefix="@")
        return Diagnostic(
            "E0206",
            f"`@{root}` is no root of this project",
            span,
            label="not declared",
            help=Help(near.message if near else f"declare it in nesyc.yaml:  roots: {{{root}: FOLDER}}"),
        )


def fixed_part(pattern: str) -> str:
    """The folders of a pattern before its first wildcard; the pattern itself where it has none."""
    parts = pattern.split("/")
    for place, part in enumerate(parts):
        if WILDCARDS & set(part):
            return "/".join(parts[:place]) or "."
    return pattern


def has_wildcard(pattern: str) -> bool:
    return bool(WILDCARDS & set(pattern))


def _inside(path: Path, base: Path) -> bool:
    try:
        return path.resolve().is_relative_to(base.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _outside(text: str, span: Span, why: str) -> Diagnostic:
    return Diagnostic(
        "E0206",
        f"path `{text}` is not inside the project",
        span,
        label="leads outside",
        notes=(why,),
        help=Help("move the file into the project, or declare its folder as a root in nesyc.yaml"),
    )
