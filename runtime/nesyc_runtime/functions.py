"""`module:function` of a spec: the only way a spec names code, and where that code may come from."""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable
from nesyc_runtime.hashing import digest, file_digest
from nesyc_runtime.project import Project

SHIPPED = "nesyc_runtime.programs"
_TARGET = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*:[A-Za-z_]\w*", re.ASCII)


def load_function(target: str, project: Project) -> Callable[..., Any]:
    """The function `module:function` names.

    The module is a .py file beside the spec or in the project folder, a module of
    `nesyc_runtime.programs` (named with or without that prefix), or lies in a package that nesyc.yaml
    lists under `programs`.
    Raises `UserError` when it is none of these, cannot be imported, or has no such function.
    """
    module_name, function_name = _split(target)
    module = _load_module(module_name, target, project)
    function = getattr(module, function_name, None)
    if not callable(function):
        raise UserError(f"`{target}`: module `{module_name}` has no function `{function_name}`")
    return function  # type: ignore[no-any-return]


@contextmanager
def failing_as_user(what: str, project: Project, help: str) -> Iterator[None]:
    """Let what the code of a project raises, `sys.exit()` too, be a `UserError` that names the line it came from.

    `what` begins the sentence: "teacher big: `teach:answer`".
    """
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        told = f"{what} failed{_line(error, project)}: {type(error).__name__}: {printable(str(error))}"
        raise UserError(told, help) from error


def _line(error: BaseException, project: Project) -> str:
    """Where the innermost call in a file of the project stands, as ` at FILE:LINE`; nothing where there is none."""
    root = project.root.resolve()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(root) and "site-packages" not in file.parts:
            return f" at {project.shown(file)}:{frame.lineno}"
    return ""


def function_digest(target: str, project: Project) -> str:
    """A hash of the code behind `target`: the bytes of its module's file."""
    module_name, _ = _split(target)
    file = _local_file(module_name, project)
    if file is None:
        module = _load_module(module_name, target, project)
        if module.__file__ is None:
            return digest(target)
        file = Path(module.__file__)
    return digest([target, file_digest(file)])


def _split(target: str) -> tuple[str, str]:
    if not _TARGET.fullmatch(target):
        raise UserError(f"`{target}` is not of the form module:function")
    module, _, function = target.partition(":")
    return module, function


def _local_file(module: str, project: Project) -> Path | None:
    """The module's file beside the spec or under the project folder; never one outside the project."""
    root = project.root.resolve()
    relative = Path(*module.split(".")).with_suffix(".py")
    for folder in (project.spec_dir, project.root):
        if folder is None:
            continue
        file = (folder / relative).resolve()
        if file.is_file() and file.is_relative_to(root):
            return file
    return None


def _load_module(name: str, target: str, project: Project) -> ModuleType:
    with failing_as_user(f"`{target}`: importing its module", project, "mend the module"):
        if (file := _local_file(name, project)) is not None:
            return _import_file(name, file)
        if (shipped := _shipped(name)) is not None:
            return importlib.import_module(shipped)
        if any(name == package or name.startswith(f"{package}.") for package in project.programs):
            return importlib.import_module(name)
    raise UserError(
        f"`{target}`: no module `{name}` beside the spec or shipped with nesyc",
        f"put {name.replace('.', '/')}.py beside the spec, or allow its package in nesyc.yaml:  "
        f"programs: [{name}]",
    )


def _shipped(name: str) -> str | None:
    full = name if name.startswith(f"{SHIPPED}.") else f"{SHIPPED}.{name}"
    try:
        return full if importlib.util.find_spec(full) is not None else None
    except ModuleNotFoundError:
        return None


def _import_file(name: str, file: Path) -> ModuleType:
    """Import a file under a name of its own: it neither shadows nor is shadowed by an installed module."""
    unique = f"_nesyc_program_{digest([name, str(file), file_digest(file)])[:16]}"
    if unique in sys.modules:
        return sys.modules[unique]
    spec = importlib.util.spec_from_file_location(unique, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{file.name} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[unique]
        raise
    return module
