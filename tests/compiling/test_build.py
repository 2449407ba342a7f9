"""The build folder: the same bytes every time, read back whole, left alone when nothing changed."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from pydantic import BaseModel

import nesyc_runtime.config as runtime_config
from nesyc.cli.current import resolve_build
from nesyc.emit.json_text import json_text
from nesyc.ir import nodes
from nesyc.ir.encode import encode
from nesyc.pipeline import compile_spec, forms
from nesyc_runtime.artifact import load_build

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "tests" / "samples"
SHIPPED = sorted((ROOT / "specs").glob("*.nesy"))


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def kinship(tmp_path: Path) -> Path:
    (found,) = SAMPLES.rglob("kinship.nesy")
    shutil.copytree(found.parent, tmp_path / "project")
    return tmp_path / "project" / "kinship.nesy"


def test_two_compilations_give_the_same_bytes_wherever_the_project_lies(
    kinship: Path, tmp_path: Path
) -> None:
    shutil.copytree(kinship.parent, tmp_path / "elsewhere" / "deep")
    other = tmp_path / "elsewhere" / "deep" / "kinship.nesy"
    compile_spec(kinship, tmp_path / "one")
    compile_spec(other, tmp_path / "two")
    first, second = files_of(tmp_path / "one" / "kinship"), files_of(tmp_path / "two" / "kinship")
    assert first == second
    assert {"schema.sql", "rules.sql", "plan.json", "manifest.json", "config.yaml", "train/base.py"} <= set(
        first
    )


def test_an_unchanged_spec_is_not_written_again(kinship: Path, tmp_path: Path) -> None:
    assert compile_spec(kinship, tmp_path / "build").changed
    assert not compile_spec(kinship, tmp_path / "build").changed
    assert (tmp_path / "build" / "current").read_text() == "kinship\n"


def test_an_unchanged_spec_is_written_when_asked(kinship: Path, tmp_path: Path) -> None:
    compile_spec(kinship, tmp_path / "build")
    before = files_of(tmp_path / "build")
    assert compile_spec(kinship, tmp_path / "build", again=True).changed
    assert files_of(tmp_path / "build") == before


def test_a_build_that_cannot_be_read_is_compiled_again(kinship: Path, tmp_path: Path) -> None:
    """As another state of nesyc leaves it: whole by its manifest, foreign to the runtime."""
    folder = tmp_path / "build" / "kinship"
    compile_spec(kinship, tmp_path / "build")
    good, manifest = (folder / "plan.json").read_text(), json.loads((folder / "manifest.json").read_text())
    foreign = good.replace('"v": 1', '"v": 99', 1)
    (folder / "plan.json").write_text(foreign)
    old, new = (sha256(text.encode()).hexdigest() for text in (good, foreign))
    (folder / "manifest.json").write_text(json_text(manifest).replace(old, new))
    assert not compile_spec(kinship, tmp_path / "build").changed, "the manifest should vouch for it"
    resolve_build(kinship, tmp_path / "build", None, {}, quiet=True)
    assert (folder / "plan.json").read_text() == good


@pytest.mark.parametrize("change", ["source", "facts", "param", "damage", "cut off"])
def test_what_changed_is_compiled_again(kinship: Path, tmp_path: Path, change: str) -> None:
    build = tmp_path / "build"
    compile_spec(kinship, build)
    params = {}
    match change:
        case "source":
            kinship.write_text(kinship.read_text().replace("0.92", "0.91"))
        case "facts":
            facts = kinship.parent / "kb" / "compose.csv"
            facts.write_text(facts.read_text().replace("mother,sister,aunt\n", ""))
        case "param":
            params = {"budget": "5"}
        case "damage":
            (build / "kinship" / "rules.sql").write_text("")
        case _:
            (build / "kinship" / "manifest.json").unlink()
    assert compile_spec(kinship, build, params=params).changed
    assert not compile_spec(kinship, build, params=params).changed


def test_a_spec_with_errors_writes_nothing(kinship: Path, tmp_path: Path) -> None:
    compile_spec(kinship, tmp_path / "build")
    before = files_of(tmp_path / "build")
    kinship.write_text(kinship.read_text().replace("teacher = big", "teacher = bigg"))
    assert compile_spec(kinship, tmp_path / "build").spec is None
    assert files_of(tmp_path / "build") == before


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda path: path.stem)
def test_shipped_specs_compile_and_read_back(spec: Path, tmp_path: Path) -> None:
    compiled = compile_spec(spec, tmp_path)
    assert compiled.diagnostics == ()
    assert compiled.spec is not None
    build = load_build(tmp_path / compiled.spec.name)
    assert build.spec.model_dump(mode="json") == encode(compiled.spec)


@pytest.mark.parametrize("form", ["ast", "ir", "sql", "py"])
def test_every_form_has_a_text(kinship: Path, form: str) -> None:
    _, text = forms(kinship, form)
    assert text is not None
    assert "kin_chain" in text or form == "py"


def test_no_secret_is_written(kinship: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "TEACHER_KEY", "very-secret-value")
    compile_spec(kinship, tmp_path / "build")
    for name, data in files_of(tmp_path / "build").items():
        assert b"very-secret-value" not in data, name
    assert b"TEACHER_KEY" in files_of(tmp_path / "build")["kinship/config.yaml"]


def test_the_runtime_mirrors_the_ir() -> None:
    """Same classes, same fields in the same order: what one writes the other reads."""
    ours = {name: value for name, value in vars(nodes).items() if dataclasses.is_dataclass(value)}
    theirs = {
        name: value
        for name, value in vars(runtime_config).items()
        if isinstance(value, type) and issubclass(value, BaseModel) and name in ours
    }
    assert set(ours) == set(theirs)
    for name, ours_class in ours.items():
        assert [field.name for field in dataclasses.fields(ours_class)] == list(theirs[name].model_fields), (
            name
        )
