"""Where an include leads, and the border it does not cross: the project folder or a declared root."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path

from nesyc.diagnostics import Diagnostic, Edit, Help, near_names
from nesyc.diagnostics.span import Span
from nesyc.syntax.nodes import Text

MAX_SIZE = 64 * 1024 * 1024
SHIPPED = "nesyc"
"""The root of the specs that come with nesyc: `include "@nesyc/methods/nesycd.nesy"`. No project may declare it."""


def shipped_specs() -> Path:
    """The folder behind `@nesyc/`: inside an installed package, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "specs"
    return inside if inside.is_dir() else package.parent / "specs"


def locate(path: Text, root: Path, roots: Mapping[str, Path]) -> tuple[str, Path] | Diagnostic:
    """The name for spans (`rules/a.nesy`, `@bench/a.nesy`) and the place of an included file.

    A path is relative to the file that names it (`path.span.file`), or `@root/...`. E0206 where it
    leaves the project folder or its root, symbolic links resolved.
    """
    text = path.value
    if (
        not text
        or "\0" in text
        or "\\" in text
        or ":" in text
        or posixpath.isabs(text)
        or text.startswith("~")
    ):
        return _outside(path, "a path is relative to the file that names it, with `/` between folders")
    origin = path.span.file
    if not text.startswith("@"):
        text = posixpath.join(posixpath.dirname(origin), text)
    if not text.startswith("@"):
        base, prefix, rest = root, "", text
    else:
        head, _, rest = text.partition("/")
        if head[1:] not in roots:
            return _unknown_root(path, head[1:], roots)
        base, prefix = roots[head[1:]], f"{head}/"
    rest = posixpath.normpath(rest)
    if rest == ".." or rest.startswith(("../", "/")):
        return _outside(path, f"it leads out of {'its root' if prefix else 'the project folder'}")
    try:
        inside = (base / rest).resolve().is_relative_to(base.resolve())
    except (OSError, RuntimeError, ValueError):  # a loop of links, or a name no file can have
        inside = False
    if not inside:
        return _outside(
            path, f"a symbolic link leads out of {'its root' if prefix else 'the project folder'}"
        )
    return prefix + rest, base / rest


def read_source(name: str, file: Path, at: Span) -> str | Diagnostic:
    """The text of a source file; E0205 at `at` where it cannot be read or is no UTF-8 text."""
    try:
        if not file.is_file():
            return _missing(name, file, at)
        if file.stat().st_size > MAX_SIZE:
            return Diagnostic(
                "E0205", f"`{name}` is too large to be a spec", at, f"more than {MAX_SIZE >> 20} MB"
            )
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        message = f"`{name}` is not UTF-8 text"
        return Diagnostic(
            "E0205", message, at, f"byte {error.start} fits no character", help=Help("save it as UTF-8")
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "this is no file name"
        return Diagnostic("E0205", f"`{name}` cannot be read", at, reason.lower())


def _missing(name: str, file: Path, at: Span) -> Diagnostic:
    try:
        beside = sorted(entry.name for entry in file.parent.iterdir() if entry.is_file())
    except OSError:
        beside = []
    near = near_names(file.name, beside)
    help = Help("did you mean " + " or ".join(f"`{other}`" for other in near) + "?") if near else None
    if file.is_dir():
        return Diagnostic("E0205", f"`{name}` is a folder, not a file", at)
    return Diagnostic(
        "E0205",
        f"there is no file `{name}`",
        at,
        "not found",
        help=help or Help("check the path: it is relative to the file that names it"),
    )


def _outside(path: Text, why: str) -> Diagnostic:
    return Diagnostic(
        "E0206",
        f"path `{path.value}` is not inside the project",
        path.span,
        "leads outside",
        notes=(why,),
        help=Help("move the file into the project, or declare its folder as a root in nesyc.yaml"),
    )


def _unknown_root(path: Text, root: str, roots: Mapping[str, Path]) -> Diagnostic:
    if root == SHIPPED:
        return Diagnostic(
            "E0206",
            f"`@{SHIPPED}` holds specs to include, not data",
            path.span,
            "no file of this project",
            help=Help("copy the file into the project"),
        )
    near = near_names(root, roots)
    if near:
        mended = f"@{near[0]}" + path.value.removeprefix(f"@{root}")
        help = Help(f"did you mean `@{near[0]}`?", (Edit(path.span, f'"{mended}"'),))
    else:
        help = Help(f"declare it in nesyc.yaml:  roots: {{{root}: FOLDER}}")
    return Diagnostic("E0206", f"`@{root}` is no root of this project", path.span, "not declared", help=help)
