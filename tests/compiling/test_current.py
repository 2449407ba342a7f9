"""Which spec a command works on that names none, and with which profile and params."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.console import nesyc

SPEC = """nesy 1
param least: int = 1
param most: int = 9
kb k { relation p(a: text)  facts p { ("x") } }
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nesyc.yaml").write_text("profiles:\n  big: {least: 20}\n  small: {most: 2}\n")
    (tmp_path / "s.nesy").write_text(SPEC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "params", "told"),
    [
        ([], {"least": 20, "most": 7}, "still with profile big, most=7"),
        (["--param", "least=3"], {"least": 3, "most": 7}, "still with profile big, most=7"),
        (
            ["--profile", "small"],
            {"least": 1, "most": 2},
            "(the last compiled, build/current, compiled again)",
        ),
        (["--spec", "s.nesy"], {"least": 1, "most": 9}, "(named on the command line, compiled again)"),
    ],
)
def test_the_last_compiled_keeps_what_it_was_given(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    given: list[str],
    params: dict[str, int],
    told: str,
) -> None:
    assert nesyc(monkeypatch, "compile", "s.nesy", "--profile", "big", "--param", "most=7") == 0
    capsys.readouterr()
    assert nesyc(monkeypatch, "query", "p(x)", *given) == 0
    assert told in capsys.readouterr().err
    found = json.loads((project / "build" / "s" / "manifest.json").read_text())["params"]
    assert found == {"least": 1, "most": 9, **params}


def test_what_is_gone_is_said(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert nesyc(monkeypatch, "compile", "s.nesy", "--profile", "big", "--param", "most=7") == 0
    (project / "nesyc.yaml").write_text("spec: other.nesy\n")
    assert nesyc(monkeypatch, "query", "p(x)") == 0
    assert "still with most=7, its profile big is gone" in capsys.readouterr().err
    (project / "s.nesy").write_text(SPEC.replace("most", "highest"))
    assert nesyc(monkeypatch, "query", "p(x)") == 1
    said = "".join(capsys.readouterr())
    assert "still with most=7" in said and "there is no param named `most`" in said
    assert nesyc(monkeypatch, "query", "p(x)", "--build", "elsewhere") == 1
    assert "nesyc.yaml names a spec that is not there: other.nesy" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="a folder in use cannot be removed there")
def test_a_folder_that_is_gone(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "sub").mkdir()
    monkeypatch.chdir(project / "sub")
    (project / "sub").rmdir()
    assert nesyc(monkeypatch, "check") == 1
    assert "the folder this was started in is gone" in capsys.readouterr().err


def test_one_spec_is_named_and_none_current(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "current.nesy").write_text(SPEC)
    assert nesyc(monkeypatch, "compile", "current.nesy") == 1
    assert "a spec cannot be called current" in capsys.readouterr().err
    assert not (project / "build").exists()
    assert nesyc(monkeypatch, "test", "s.nesy", "--spec", "current.nesy") == 2
    assert nesyc(monkeypatch, "check", "s.nesy", "--spec", "s.nesy") == 0
