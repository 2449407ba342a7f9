"""nesyc.yaml: the default spec, further roots, profiles, the packages programs may come from, how trainings run and what tracks them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nesyc.diagnostics import Diagnostic, Edit, Help, near_names
from nesyc.diagnostics.span import Span
from nesyc.parsing.given import Given
from nesyc.parsing.paths import SHIPPED

if TYPE_CHECKING:
    from yaml.nodes import MappingNode, ScalarNode, SequenceNode

    Node = MappingNode | ScalarNode | SequenceNode

NAME = "nesyc.yaml"
KEYS = ("spec", "roots", "profiles", "programs", "tracking", "training")
SERVICES = ("wandb", "mlflow")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")


STRATEGIES = ("ddp", "fsdp")


@dataclass(frozen=True, slots=True)
class Training:
    """So many `processes` of this machine train together; `launcher` starts them elsewhere.

    `strategy`: each has the whole model (`ddp`), or a part of its layers (`fsdp`).
    """

    processes: int = 1
    launcher: tuple[str, ...] = ()
    strategy: str = "ddp"


@dataclass(slots=True)
class Settings:
    """What nesyc.yaml says; `unset` are roots whose environment variable has no value, with its name.

    `trainings` are the keys of `training` that a profile sets.
    """

    spec: str | None = None
    roots: dict[str, Path] = field(default_factory=dict)
    unset: dict[str, tuple[str, Span]] = field(default_factory=dict)
    profiles: dict[str, dict[str, Given]] = field(default_factory=dict)
    programs: tuple[str, ...] = ()
    tracking: tuple[str, ...] = ()
    training: Training = Training()
    trainings: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[Diagnostic] = field(default_factory=list)

    def training_in(self, profile: str | None) -> Training:
        """How trainings run in a profile: what it says of `training`, else what the file does."""
        return replace(self.training, **self.trainings.get(profile or "", {}))


def read_settings(text: str, folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read the text of nesyc.yaml. Relative roots are relative to `folder`; never raises on bad text."""
    import yaml

    settings = Settings()
    try:
        # Nodes and not values: they know their places, and no tag can make an object.
        root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        settings.problems.append(_bad_yaml(error))
        return settings
    except (RecursionError, ValueError):
        settings.problems.append(Diagnostic("E0101", "nesyc.yaml is nested too deep", Span(NAME, 0, 1)))
        return settings
    env = os.environ if environment is None else environment
    for key, node in _entries(root, settings, "the file"):
        match key.value:
            case "spec":
                settings.spec = _text(node, settings, "spec")
            case "roots":
                _read_roots(node, folder, env, settings)
            case "profiles":
                _read_profiles(node, settings)
            case "programs":
                settings.programs = tuple(_modules(node, settings))
            case "tracking":
                settings.tracking = tuple(_services(node, settings))
            case "training":
                settings.training = Training(**_training(node, settings, "training"))
            case _:
                settings.problems.append(_unknown_key(key, KEYS))
    return settings


def _read_roots(node: Node, folder: Path, env: Mapping[str, str], settings: Settings) -> None:
    for key, value in _entries(node, settings, "roots"):
        text = _text(value, settings, f"roots.{key.value}")
        if text is None:
            continue
        if not _WORD.fullmatch(key.value):
            problem = f"`{key.value}` is no name for a root: a spec writes it as `@NAME/...`"
            settings.problems.append(Diagnostic("E0101", problem, _span(key)))
            continue
        if key.value == SHIPPED:
            problem = f"`{SHIPPED}` is the root of the specs that come with nesyc"
            settings.problems.append(Diagnostic("E0202", problem, _span(key), "taken"))
            continue
        missing = [name for name, default in _VARIABLE.findall(text) if not env.get(name) and not default]
        if missing:
            settings.unset[key.value] = (missing[0], _span(value))
            continue
        expanded = _VARIABLE.sub(lambda match: env.get(match[1]) or match[2], text)
        settings.roots[key.value] = Path(os.path.normpath(folder / expanded))


def _read_profiles(node: Node, settings: Settings) -> None:
    for key, value in _entries(node, settings, "profiles"):
        profile: dict[str, Given] = {}
        for name, given in _entries(value, settings, f"profiles.{key.value}"):
            if given.id == "mapping" and name.value == "training":
                settings.trainings[key.value] = _training(given, settings, f"profiles.{key.value}.training")
            elif given.id == "scalar":
                profile[name.value] = Given(_scalar(given), _span(name), _span(given))
            else:
                settings.problems.append(_wrong(f"profiles.{key.value}.{name.value}", "one value", given))
        settings.profiles[key.value] = profile


def _modules(node: Node, settings: Settings) -> Iterator[str]:
    if node.id != "sequence":
        settings.problems.append(_wrong("programs", "a list of packages", node))
        return
    for item in node.value:
        text = _text(item, settings, "programs")
        if text is not None and _MODULE.fullmatch(text):
            yield text
        elif text is not None:
            settings.problems.append(_wrong("programs", "the name of a Python package", item))


def _services(node: Node, settings: Settings) -> Iterator[str]:
    if node.id != "sequence":
        settings.problems.append(_wrong("tracking", "a list of services", node))
        return
    for item in node.value:
        text = _text(item, settings, "tracking")
        if text in SERVICES:
            yield text
        elif text is not None:
            settings.problems.append(_unknown(item, SERVICES, "service"))


def _training(node: Node, settings: Settings, what: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in _entries(node, settings, what):
        match key.value:
            case "processes":
                number = _scalar(value) if value.id == "scalar" else None
                if isinstance(number, int) and not isinstance(number, bool) and number > 0:
                    found["processes"] = number
                else:
                    settings.problems.append(_wrong(f"{what}.processes", "a whole number from 1 up", value))
            case "launcher":
                if value.id == "sequence":
                    texts = [_text(item, settings, f"{what}.launcher") for item in value.value]
                    found["launcher"] = tuple(text for text in texts if text is not None)
                else:
                    settings.problems.append(_wrong(f"{what}.launcher", "a command as a list", value))
            case "strategy":
                text = _text(value, settings, f"{what}.strategy")
                if text in STRATEGIES:
                    found["strategy"] = text
                elif text is not None:
                    settings.problems.append(_unknown(value, STRATEGIES, "strategy"))
            case _:
                known = ("processes", "launcher", "strategy")
                settings.problems.append(_unknown_key(key, known, f"{what} of nesyc.yaml"))
    return found


def _unknown(node: Node, known: tuple[str, ...], what: str) -> Diagnostic:
    near = near_names(node.value, known)
    listed = "there are " + " and ".join(f"`{name}`" for name in known)
    help_ = Help(f"did you mean `{near[0]}`?", (Edit(_span(node), near[0]),)) if near else Help(listed)
    message = f"nesyc.yaml: no {what} is named `{node.value}`"
    return Diagnostic("E0201", message, _span(node), "not known", help=help_)


def _entries(node: Node | None, settings: Settings, what: str) -> Iterator[tuple[Any, Any]]:
    """The key and value nodes of a mapping with text keys; what is empty has none."""
    if node is None or (node.id == "scalar" and node.value in ("", "~", "null")):
        return
    if node.id != "mapping":
        settings.problems.append(_wrong(what, "a mapping (`key: value`)", node))
        return
    seen: dict[str, Span] = {}
    for key, value in node.value:
        if key.id != "scalar":
            settings.problems.append(_wrong(what, "plain keys", key))
        elif key.value in seen:
            settings.problems.append(
                Diagnostic("E0202", f"key `{key.value}` stands twice in {what}", _span(key))
            )
        else:
            seen[key.value] = _span(key)
            yield key, value


def _text(node: Node, settings: Settings, what: str) -> str | None:
    if node.id == "scalar" and node.value and "\0" not in node.value:
        value: str = node.value
        return value
    settings.problems.append(_wrong(what, "a text", node))
    return None


def _scalar(node: Node) -> object:
    """A number, bool or None where YAML reads the plain text as one, else the text."""
    tag, text = node.tag.rpartition(":")[2], node.value
    try:
        match tag:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return text.lower() in ("true", "yes", "on")
            case "null":
                return None
    except ValueError:  # `0x1f`, `1:30`: YAML's other spellings stay text
        pass
    return text


def _span(node: Node) -> Span:
    return Span(NAME, node.start_mark.index, max(node.end_mark.index, node.start_mark.index + 1))


def _wrong(what: str, wanted: str, node: Node) -> Diagnostic:
    found = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping"}[node.id]
    return Diagnostic("E0302", f"{what} of nesyc.yaml: expected {wanted}, found {found}", _span(node))


def _unknown_key(key: Node, known: tuple[str, ...], of: str = "nesyc.yaml") -> Diagnostic:
    near = near_names(key.value, known)
    if near:
        help = Help(f"did you mean `{near[0]}`?", (Edit(_span(key), near[0]),))
    else:
        help = Help(f"{of} has " + ", ".join(f"`{name}`" for name in known))
    return Diagnostic("E0103", f"{of} has no key `{key.value}`", _span(key), "unknown key", help=help)


def _bad_yaml(error: Any) -> Diagnostic:
    mark = getattr(error, "problem_mark", None)
    start = mark.index if mark is not None else getattr(error, "position", 0)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "it is not YAML"
    return Diagnostic("E0101", "nesyc.yaml cannot be read", Span(NAME, start, start + 1), str(problem))
