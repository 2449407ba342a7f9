"""Reading a build back, and refusing what is none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from nesyc_runtime.artifact import SECTIONS, load_build
from nesyc_runtime.errors import UserError
from tests.stages.world import AFTER, spec_values


def write_build(folder: Path) -> None:
    values = spec_values()
    stages = [stage for pipeline in values["pipelines"] for stage in pipeline["stages"]]
    plan = {
        "v": 1,
        "spec": values["name"],
        "path": values["path"],
        "pipelines": [{**p, "stages": [s["id"] for s in p["stages"]]} for p in values["pipelines"]],
        "stages": [{**stage, "after": AFTER[stage["id"]]} for stage in stages],
        "evaluates": values["evaluates"],
        "kbs": [{**kb, "program": {"p": 1}} for kb in values["kbs"]],
        "tests": [],
    }
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "config.yaml").write_text(yaml.safe_dump({name: values[name] for name in SECTIONS}))
    (folder / "manifest.json").write_text(json.dumps({"v": 1}))


def test_a_build_is_read_back_whole(tmp_path: Path) -> None:
    from nesyc_runtime import config

    write_build(tmp_path / "s")
    build = load_build(tmp_path / "s")
    assert build.spec == config.Spec.model_validate(spec_values())
    assert build.programs == {"facts": {"p": 1}}
    assert build.after["nesycd.final"] == AFTER["nesycd.final"]


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text())) and None


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "plan.json").unlink(), "plan.json is missing"),
        (lambda folder: (folder / "config.yaml").unlink(), "config.yaml is missing"),
        (lambda folder: (folder / "manifest.json").write_bytes(b"\xff\xfe"), "cannot be read"),
        (edit("plan.json", lambda text: text[:-5]), "cannot be read"),
        (edit("plan.json", lambda text: "[1]"), "not a file of a compiled spec"),
        (edit("plan.json", lambda text: text.replace('"v": 1', '"v": 7', 1)), "has version 7"),
        (edit("plan.json", lambda text: text.replace('"lr"', '"rate"', 1)), "finetune.lr"),
        (edit("plan.json", lambda text: text.replace('"stages": [', '"stagez": [', 1)), "stage"),
        (edit("config.yaml", lambda text: "teachers: [}"), "cannot be read"),
        (edit("config.yaml", lambda text: "params: {}"), "enums"),
        (edit("config.yaml", lambda text: "!!python/object/apply:os.system [true]"), "cannot be read"),
        (lambda folder: [file.unlink() for file in folder.iterdir()], "plan.json is missing"),
    ],
)
def test_damaged_builds_say_so_and_how_to_mend(
    tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    write_build(tmp_path / "s")
    damage(tmp_path / "s")
    with pytest.raises(UserError) as error:
        load_build(tmp_path / "s")
    assert said in error.value.message
    assert "nesyc compile" in error.value.help
