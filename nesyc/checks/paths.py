"""The data and fact files a spec names: inside the project folder or a declared root, as an include is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nesyc.checks.kinds import Located
from nesyc.diagnostics import Diagnostic, Help
from nesyc.diagnostics.span import Span
from nesyc.parsing.paths import locate
from nesyc.syntax.nodes import Text

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
        found = locate(Text(text, span), self.root, self.roots)
        if isinstance(found, Diagnostic):
            return found
        name, file = found
        if must_exist and not file.is_file():
            help_ = Help("check the path: it is relative to the file that names it")
            return Diagnostic("E0205", f"there is no file `{name}`", span, label="not found", help=help_)
        if not name.startswith("@"):
            return Located("", name, span)
        root, _, pattern = name[1:].partition("/")
        return Located(root, pattern, span)

    def file(self, located: Located) -> Path:
        """The place on this machine of a path without wildcards."""
        return (self.roots[located.root] if located.root else self.root) / located.pattern


def has_wildcard(pattern: str) -> bool:
    return bool(WILDCARDS & set(pattern))
