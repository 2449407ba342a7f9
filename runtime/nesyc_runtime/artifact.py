"""A compiled spec read back from build/NAME/: the settings, the stage graph, the rule programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from nesyc_runtime import config
from nesyc_runtime.errors import UserError
from nesyc_runtime.files import printable

BUILD_VERSION = 1
SECTIONS = (
    "params",
    "enums",
    "teachers",
    "students",
    "embedders",
    "datasets",
    "tasks",
    "retrieves",
    "answers",
)
AGAIN = "compile it again with `nesyc compile`"


@dataclass(frozen=True, slots=True)
class Build:
    """`programs[kb]`: a KB's compiled rule program as JSON values; `after[stage]`: what a stage waits for."""

    dir: Path
    spec: config.Spec
    programs: Mapping[str, Any]
    after: Mapping[str, tuple[str, ...]]
    manifest: Mapping[str, Any]

    def train_module(self, stage: config.FinetuneStage) -> Path:
        """The emitted training module of a finetune stage; raises `UserError` where the build lacks it."""
        name = stage.id.replace(".", "_")
        for file in (self.dir / "train" / f"{name}.py", self.dir / "train" / f"{stage.name}.py"):
            if file.is_file():
                return file
        raise UserError(f"the build {self.dir.name} has no train/{stage.name}.py", AGAIN)


def load_build(folder: Path) -> Build:
    """Read a build folder; raises `UserError` when it is missing, damaged, foreign, or of another version."""
    plan = _mapping(_read(folder / "plan.json"), folder / "plan.json")
    settings = _mapping(_read(folder / "config.yaml"), folder / "config.yaml")
    manifest = _mapping(_read(folder / "manifest.json"), folder / "manifest.json")
    if plan.get("v") != BUILD_VERSION:
        raise UserError(
            f"the build {folder.name} has version {printable(repr(plan.get('v')), 20)}; "
            f"this nesyc reads version {BUILD_VERSION}",
            AGAIN,
        )
    try:
        spec = config.Spec.model_validate(_assemble(plan, settings))
        after = {stage["id"]: tuple(stage["after"]) for stage in plan["stages"]}
        programs = {kb["name"]: kb["program"] for kb in plan["kbs"]}
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(f"the build {folder.name} cannot be read: {place}: {first['msg']}", AGAIN) from None
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"the build {folder.name} cannot be read: {type(error).__name__}: {error}", AGAIN
        ) from None
    return Build(folder, spec, programs, after, manifest)


def _read(file: Path) -> Any:
    try:
        text = file.read_text(encoding="utf-8")
        # plan.json and manifest.json are JSON, and far larger than what YAML reads in good time
        return json.loads(text) if file.suffix == ".json" else yaml.load(text, Loader=_yaml_loader())  # noqa: S506
    except FileNotFoundError:
        raise UserError(
            f"there is no compiled spec in {file.parent.name}: {file.name} is missing", AGAIN
        ) from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = printable(str(error).splitlines()[0] if str(error) else type(error).__name__)
        raise UserError(f"{file.parent.name}/{file.name} cannot be read: {reason}", AGAIN) from None


def _yaml_loader() -> type[yaml.SafeLoader]:
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's reads ten times faster


def _mapping(value: Any, file: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{file.parent.name}/{file.name} is not a file of a compiled spec", AGAIN)
    return value


def _assemble(plan: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    stages = {stage["id"]: _without(stage, "after") for stage in plan["stages"]}
    return {
        "name": plan["spec"],
        "path": plan["path"],
        **{name: settings[name] for name in SECTIONS},
        "kbs": [_without(kb, "program") for kb in plan["kbs"]],
        "pipelines": [
            {**pipeline, "stages": [stages[name] for name in pipeline["stages"]]}
            for pipeline in plan["pipelines"]
        ],
        "evaluates": plan["evaluates"],
        "tests": plan["tests"],
    }


def _without(value: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: item for name, item in value.items() if name != key}
