"""Loading a spec: its project, its includes, and everything that can be wrong with files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nesyc.diagnostics import Diagnostic
from nesyc.parsing.project import Loaded, find_default_spec, find_project, load_spec
from nesyc.parsing.settings_file import Training, read_settings
from tests.parsing.conftest import SAMPLES


def write(folder: Path, **files: str) -> Path:
    """Write files into `folder`; `a__b` is `a/b`, and `.nesy` is added. Gives the path of main.nesy."""
    for name, text in files.items():
        path = folder / ((name.replace("__", "/") + ".nesy") if name != "yaml" else "nesyc.yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder / "main.nesy"


def codes(loaded: Loaded) -> list[str]:
    return [found.code for found in loaded.diagnostics]


def only(loaded: Loaded) -> Diagnostic:
    (found,) = loaded.diagnostics
    return found


def test_the_sample_loads_with_its_fragment() -> None:
    loaded = load_spec(SAMPLES / "kinship" / "kinship.nesy")
    assert loaded.diagnostics == ()
    assert [file.path for file in loaded.files] == [
        f"{loaded.main.path.rpartition('kinship.nesy')[0]}{name}"
        for name in ("kinship.nesy", "rules/learned.nesy")
    ]
    assert loaded.files[1].fragment_of is not None and loaded.files[0] is loaded.main


def test_each_file_is_read_once_in_order(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='nesy 1 include "a.nesy" include "sub/b.nesy"',
        a='nesy 1 include "sub/b.nesy" param a: int = 1',
        sub__b='nesy 1 include "../c.nesy" param b: int = 1',
        c="nesy 1 param c: int = 1",
    )
    loaded = load_spec(main)
    assert loaded.diagnostics == ()
    assert [file.path for file in loaded.files] == ["main.nesy", "a.nesy", "sub/b.nesy", "c.nesy"]


def test_a_cycle_is_printed(tmp_path: Path) -> None:
    main = write(
        tmp_path,
        main='nesy 1 include "a.nesy"',
        a='nesy 1 include "b.nesy"',
        b='nesy 1 include "a.nesy"',
    )
    found = only(load_spec(main))
    assert found.code == "E0203" and found.message.endswith("a.nesy -> b.nesy -> a.nesy")
    assert [related.span.file for related in found.related] == ["a.nesy"]
    assert codes(load_spec(write(tmp_path, main='nesy 1 include "main.nesy"'))) == ["E0203"]


def test_a_missing_file_names_near_ones(tmp_path: Path) -> None:
    main = write(tmp_path, main='nesy 1 include "rules/lerned.nesy"', rules__learned="nesy 1")
    found = only(load_spec(main))
    assert found.code == "E0205" and found.help is not None and "learned.nesy" in found.help.message


def test_a_file_that_a_stage_writes_may_be_missing(tmp_path: Path) -> None:
    kb = 'nesy 1 kb k { include "rules/new.nesy" }'
    stage = 'pipeline p for t { stage learn = induce(teacher = big, into = "rules/new.nesy") }'
    assert codes(load_spec(write(tmp_path, main=kb + stage))) == []
    assert codes(load_spec(write(tmp_path, main=kb + stage.replace("new", "other")))) == ["E0205"]
    assert codes(load_spec(write(tmp_path, main=kb + stage.replace("induce", "extract")))) == ["E0205"]
    use = 'nesy 1 kb k { include "rules/new.nesy" } include "sub/p.nesy"'
    there = "nesy 1 " + stage.replace("rules/new", "../rules/new")
    assert codes(load_spec(write(tmp_path, main=use, sub__p=there))) == []


@pytest.mark.parametrize(
    "path",
    [
        "../out.nesy",
        "/etc/passwd",
        "a/../../out.nesy",
        "~/x.nesy",
        "C:\\\\x.nesy",
        "a\\\\b.nesy",
        "",
        "@no/x.nesy",
    ],
)
def test_a_path_out_of_the_project_is_refused(tmp_path: Path, path: str) -> None:
    (tmp_path / "out.nesy").write_text("nesy 1")
    main = write(tmp_path / "in", main=f'nesy 1 include "{path}"')
    assert codes(load_spec(main)) == ["E0206"]


def test_a_link_out_of_the_project_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out.nesy").write_text("nesy 1")
    main = write(tmp_path / "in", main='nesy 1 include "link.nesy" include "loop.nesy"')
    (tmp_path / "in" / "link.nesy").symlink_to(tmp_path / "out.nesy")
    (tmp_path / "in" / "loop.nesy").symlink_to(tmp_path / "in" / "loop.nesy")
    assert codes(load_spec(main))[0] == "E0206"
    assert len(codes(load_spec(main))) == 2


def test_a_root_is_declared_in_the_project_and_nowhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.nesy").write_text("nesy 1 param x: int = 1")
    main = write(
        tmp_path / "in", main='nesy 1 include "@bench/x.nesy"', yaml="roots:\n  bench: ${NESY_TEST_ROOT}\n"
    )
    monkeypatch.delenv("NESY_TEST_ROOT", raising=False)
    found = only(load_spec(main))
    assert found.code == "E0205" and "NESY_TEST_ROOT" in found.message and found.span.file == "nesyc.yaml"
    monkeypatch.setenv("NESY_TEST_ROOT", str(tmp_path / "data"))
    loaded = load_spec(main)
    assert loaded.diagnostics == () and loaded.files[1].path == "@bench/x.nesy"
    write(tmp_path / "in", yaml="roots: {bench: '${NESY_NONE:-../data}'}")
    assert load_spec(main).project.roots == {"bench": tmp_path / "data"}
    (tmp_path / "data" / "x.nesy").write_text('nesy 1 include "../in/main.nesy"')
    assert codes(load_spec(main)) == ["E0206"]


def test_a_fragment_belongs_to_its_kb(tmp_path: Path) -> None:
    main = write(tmp_path, main='nesy 1 kb k { include "f.nesy" }', f='nesy 1 fragment of other say p = "x"')
    found = only(load_spec(main))
    assert found.code == "E0201" and found.span.file == "f.nesy" and found.related[0].span.file == "main.nesy"
    main = write(tmp_path, f="nesy 1 param x: int = 1")
    assert only(load_spec(main)).code == "E0201"
    main = write(tmp_path, f="nesy 1 fragment of k")
    assert load_spec(main).diagnostics == ()


@pytest.mark.parametrize("content", [b"nesy 1 \xff", b"\xfe\xff\x00n", b"\x80"])
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "main.nesy").write_bytes(content)
    found = only(load_spec(tmp_path / "main.nesy"))
    assert found.code == "E0205" and "UTF-8" in found.message


def test_what_cannot_be_read(tmp_path: Path) -> None:
    assert codes(load_spec(tmp_path / "none.nesy")) == ["E0205"]
    (tmp_path / "folder.nesy").mkdir()
    assert "folder" in only(load_spec(tmp_path / "folder.nesy")).message
    assert codes(load_spec(tmp_path / ("x" * 400))) == ["E0205"]
    main = write(tmp_path, main='nesy 1 include "folder.nesy" include "a\\0.nesy"')
    assert codes(load_spec(main)) == ["E0205", "E0206"]


def test_all_files_errors_come_in_one_run(tmp_path: Path) -> None:
    main = write(tmp_path, main='nesy 1 include "a.nesy" param', a="param x int", yaml="rots: {}")
    assert codes(load_spec(main)) == ["E0101", "E0104", "E0101", "E0103"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("roots: [a]", ["E0302"]),
        ("roots: {a: [b]}", ["E0302"]),
        ("roots: {'a/b': x}", ["E0101"]),
        ("profiles: 3", ["E0302"]),
        ("profiles: {a: {b: [1]}}", ["E0302"]),
        ("programs: a", ["E0302"]),
        ("programs: ['a b']", ["E0302"]),
        ("training: 2", ["E0302"]),
        ("training: {processes: 0}", ["E0302"]),
        ("training: {launcher: srun}", ["E0302"]),
        ("training: {procesess: 2}", ["E0103"]),
        ("training: {processes: 2, launcher: [srun, python, -m]}", []),
        ("training: {strategy: fsdp}", []),
        ("training: {strategy: fdsp}", ["E0201"]),
        ("training: {strategy: [ddp]}", ["E0302"]),
        ("profiles: {a: {training: {processes: 8, strategy: fsdp}}}", []),
        ("profiles: {a: {training: {proceses: 8}}}", ["E0103"]),
        ("profiles: {a: {other: {processes: 8}}}", ["E0302"]),
        ("tracking: wandb", ["E0302"]),
        ("tracking: [wandbb]", ["E0201"]),
        ("tracking: [wandb, [mlflow]]", ["E0302"]),
        ("spec: {a: b}", ["E0302"]),
        ("- a", ["E0302"]),
        ("a: b\na: c", ["E0103", "E0202"]),
        ("[x]: y", ["E0302"]),
        ("a: [", ["E0101"]),
        ("a: b: c", ["E0101"]),
        ("\x00", ["E0101"]),
        ("!!python/object:os.system {}", []),
        ("&a [*a]", ["E0302"]),
        ("", []),
        ("# nothing", []),
        ("roots:\nprofiles:\n", []),
        ("[" * 3000, ["E0101"]),
    ],
)
def test_settings_of_the_project(tmp_path: Path, text: str, expected: list[str]) -> None:
    assert codes(load_spec(write(tmp_path, main="nesy 1", yaml=text))) == expected


def test_a_profile_says_how_trainings_run(tmp_path: Path) -> None:
    text = "training: {processes: 2}\nprofiles: {large: {epochs: 3, training: {strategy: fsdp}}, plain: {}}"
    settings = read_settings(text, tmp_path)
    assert settings.training_in(None) == settings.training_in("plain") == Training(2)
    assert settings.training_in("large") == Training(2, (), "fsdp")
    assert list(settings.profiles["large"]) == ["epochs"]


def test_profiles_keep_the_kinds_yaml_gives_them(tmp_path: Path) -> None:
    text = "profiles:\n  small: {items: 20, rate: 2e-4, half: 0.5, fast: true, model: org/name, day: 2026-01-31}\n"
    given = load_spec(write(tmp_path, main="nesy 1", yaml=text)).project.profiles["small"]
    profile = {name: one.value for name, one in given.items()}
    assert profile == {
        "items": 20,
        "rate": "2e-4",
        "half": 0.5,
        "fast": True,
        "model": "org/name",
        "day": "2026-01-31",
    }


def test_the_project_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main = write(tmp_path / "a" / "b", main="nesy 1")
    monkeypatch.chdir(tmp_path)
    assert find_project(main) == tmp_path
    monkeypatch.chdir(tmp_path / "a" / "b")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert find_project(main) == tmp_path / "a" / "b"
    write(tmp_path / "a", yaml="")
    assert find_project(main) == tmp_path / "a"
    assert find_project(Path("../a/b/main.nesy")) == tmp_path / "a"


def test_the_default_spec(tmp_path: Path) -> None:
    write(tmp_path, yaml="", f="nesy 1 fragment of k")
    assert find_default_spec(tmp_path) is None
    main = write(tmp_path, main="nesy 1")
    assert find_default_spec(tmp_path) == main
    write(tmp_path, other="nesy 1")
    assert find_default_spec(tmp_path) is None
    write(tmp_path, yaml="spec: other.nesy")
    assert find_default_spec(tmp_path) == tmp_path / "other.nesy"


def test_what_an_editor_holds_stands_for_the_file(tmp_path: Path) -> None:
    main = write(tmp_path, main='nesy 1 include "a.nesy"', a="nesy 1")
    loaded = load_spec(main, {tmp_path / "a.nesy": "nesy 1 param x: int", main: 'nesy 1\ninclude "a.nesy"'})
    assert loaded.diagnostics == () and len(loaded.files[1].declarations) == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_an_unreadable_file(tmp_path: Path) -> None:
    main = write(tmp_path, main="nesy 1")
    main.chmod(0)
    assert codes(load_spec(main)) == ["E0205"]
