"""`nesyc fmt` as people and tools call it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

UNTIDY, TIDY = "nesy 1\nparam a:int\n", "nesy 1\nparam a: int\n"


def nesyc(*arguments: str, cwd: Path, given: str | bytes = "") -> tuple[int, str, str]:
    command = [sys.executable, "-c", "from nesyc.cli import main; main()", *arguments]
    given = given.encode() if isinstance(given, str) else given
    done = subprocess.run(command, cwd=cwd, input=given, capture_output=True, check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {
        "a.nesy": UNTIDY,
        "b.nesy": TIDY,
        "sub/c.nesy": UNTIDY,
        "build/x/d.nesy": UNTIDY,
        ".hidden/e.nesy": UNTIDY,
        "notes.txt": UNTIDY,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(text.encode())
    return tmp_path


def test_a_folder_is_formatted_in_place(folder: Path) -> None:
    (folder / "a.nesy").chmod(0o640)
    assert nesyc("fmt", cwd=folder) == (
        0, "formatted a.nesy\nformatted sub/c.nesy\n2 files formatted, 1 file unchanged\n", "",
    )  # fmt: skip
    assert (folder / "a.nesy").read_text() == (folder / "sub" / "c.nesy").read_text() == TIDY
    assert (folder / "a.nesy").stat().st_mode & 0o777 == 0o640
    for untouched in ("build/x/d.nesy", ".hidden/e.nesy", "notes.txt"):
        assert (folder / untouched).read_text() == UNTIDY
    assert nesyc("fmt", cwd=folder) == (0, "3 files unchanged\n", "")


def test_check_writes_nothing_and_fails(folder: Path) -> None:
    code, out, _ = nesyc("fmt", "--check", ".", cwd=folder)
    assert (code, out) == (
        1,
        "would format a.nesy\nwould format sub/c.nesy\n2 files to format, 1 file unchanged\n",
    )
    assert (folder / "a.nesy").read_text() == UNTIDY
    assert nesyc("fmt", "--check", "b.nesy", cwd=folder) == (0, "1 file unchanged\n", "")


def test_diff_is_a_patch(folder: Path) -> None:
    code, out, _ = nesyc("fmt", "--diff", "a.nesy", "b.nesy", cwd=folder)
    assert code == 1
    assert out == "--- a.nesy\n+++ a.nesy\n@@ -1,2 +1,2 @@\n nesy 1\n-param a:int\n+param a: int\n"
    assert (folder / "a.nesy").read_text() == UNTIDY


def test_standard_input_to_standard_output(folder: Path) -> None:
    assert nesyc("fmt", "-", cwd=folder, given=UNTIDY) == (0, TIDY, "")
    assert nesyc("fmt", "-", "--check", cwd=folder, given=UNTIDY)[0] == 1
    windows = UNTIDY.replace("\n", "\r\n")
    assert nesyc("fmt", "-", cwd=folder, given=windows)[1] == TIDY.replace("\n", "\r\n")
    code, out, err = nesyc("fmt", "-", "--stdin-filename", "x.nesy", cwd=folder, given="kb {")
    assert (code, out) == (1, "")
    assert "x.nesy:1:4" in err
    assert "not UTF-8" in nesyc("fmt", "-", cwd=folder, given=b"\xff")[2]


def test_a_file_with_syntax_errors_stays_and_the_others_are_formatted(folder: Path) -> None:
    (folder / "a.nesy").write_text("nesy 1\nkb {\n")
    code, out, err = nesyc("fmt", "a.nesy", "sub", "nosuch.nesy", cwd=folder)
    assert code == 1
    assert out == "formatted sub/c.nesy\n1 file formatted, 2 files with errors\n"
    assert "error[E0102]" in err and "error[E0205]: there is no file `nosuch.nesy`" in err
    assert (folder / "a.nesy").read_text() == "nesy 1\nkb {\n"


def test_json(folder: Path) -> None:
    (folder / "bad.nesy").write_text("kb {")
    code, out, err = nesyc("fmt", "--check", "--diff", "--json", "a.nesy", "bad.nesy", cwd=folder)
    value = json.loads(out)
    assert (code, err) == (1, "")
    assert {key: value[key] for key in ("v", "ok", "changed", "unchanged", "failed")} == {
        "v": 1, "ok": False, "changed": 1, "unchanged": 0, "failed": 1,
    }  # fmt: skip
    assert [file["state"] for file in value["files"]] == ["changed", "failed"]
    assert value["files"][0]["diff"].startswith("--- a.nesy")
    assert value["diagnostics"][0]["span"]["file"] == "bad.nesy"
    assert json.loads(nesyc("fmt", "-", "--json", cwd=folder, given=UNTIDY)[1])["text"] == TIDY


def test_a_link_stays_a_link(folder: Path) -> None:
    (folder / "link.nesy").symlink_to("a.nesy")
    assert nesyc("fmt", "link.nesy", cwd=folder)[0] == 0
    assert (folder / "link.nesy").is_symlink()
    assert (folder / "a.nesy").read_text() == TIDY


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(folder: Path) -> None:
    (folder / "sub").chmod(0o500)
    code, _, err = nesyc("fmt", "sub", cwd=folder)
    assert code == 1
    assert "cannot be written" in err
