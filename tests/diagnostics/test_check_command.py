"""`nesyc check` and `nesyc explain` as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nesyc.cli.app import app
from nesyc.cli.plain import plain_command
from nesyc.diagnostics.codes import CODES

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
BROKEN = "nesy 1\nenum Kin { father mother }\nparam a = 1\nparam b: Kin = .fater\nparam c: text\n"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A spec with three mistakes of different stages, in the current folder."""
    (tmp_path / "broken.nesy").write_text(BROKEN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "broken.nesy"


def test_a_sound_spec_is_fine() -> None:
    result = CliRunner().invoke(app, ["check", str(SAMPLES / "kinship" / "kinship.nesy"), "--json"])
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"v": 1, "ok": True, "errors": 0, "warnings": 0, "diagnostics": []}


def test_all_mistakes_in_one_run(broken: Path) -> None:
    text = CliRunner().invoke(app, ["check", "broken.nesy"])
    assert text.exit_code == 1
    assert text.stdout.endswith("broken.nesy: 3 errors (1 file)\n")
    as_json = CliRunner().invoke(app, ["check", "broken.nesy", "--json"])
    assert as_json.exit_code == 1
    found = json.loads(as_json.stdout)
    assert found["errors"] == 3 and not found["ok"]
    assert [(d["code"], d["span"]["line"]) for d in found["diagnostics"]] == [
        ("E0101", 3),
        ("E0303", 4),
        ("E0207", 5),
    ]


def test_the_result_goes_into_a_file(broken: Path) -> None:
    result = CliRunner().invoke(app, ["check", "broken.nesy", "--json", "--out", "found.json"])
    assert result.exit_code == 1 and result.stdout == ""
    assert json.loads((broken.parent / "found.json").read_text(encoding="utf-8"))["errors"] == 3


@pytest.mark.parametrize("code", CODES)
def test_explain(code: str) -> None:
    result = CliRunner().invoke(app, ["explain", code.lower()])
    assert result.exit_code == 0 and result.stdout.startswith(f"{code}: {CODES[code].title}\n")
    assert json.loads(CliRunner().invoke(app, ["explain", code, "--json"]).stdout)["good"] == CODES[code].good


def test_explain_lists_all_codes() -> None:
    lines = CliRunner().invoke(app, ["explain"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(CODES)


def test_the_plain_version_is_the_option(capsys: pytest.CaptureFixture[str]) -> None:
    plain = plain_command(["--version"])
    assert plain is not None
    with pytest.raises(SystemExit) as ended:
        plain()
    whole = CliRunner().invoke(app, ["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (whole.exit_code, whole.stdout)


@pytest.mark.parametrize("spec", ["kinship/kinship.nesy", "ten_mistakes.nesy", "none.nesy", "."])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_the_plain_check_is_the_command(
    spec: str, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = SAMPLES if spec.startswith("kinship") else SAMPLES.parent / "checks" / "fixtures"
    arguments = ["check", str(folder / spec), *options]
    plain = plain_command(arguments)
    assert plain is not None
    with pytest.raises(SystemExit) as ended:
        plain()
    whole = CliRunner().invoke(app, arguments)
    assert (ended.value.code, capsys.readouterr().out) == (whole.exit_code, whole.stdout)


@pytest.mark.parametrize(
    "arguments", [["check"], ["check", "--json"], ["check", "a", "--out", "b"], ["run", "a"], []]
)
def test_everything_else_is_read_by_typer(arguments: list[str]) -> None:
    assert plain_command(arguments) is None


def test_a_plain_check_needs_neither_typer_nor_the_emitters() -> None:
    program = (
        "import sys; sys.argv = ['nesyc', 'check', sys.argv[1]]\n"
        "from nesyc.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    print(sorted({'typer', 'pydantic', 'rich', 'nesyc.ir.nodes', 'nesyc.emit.build'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(SAMPLES / "kinship" / "kinship.nesy")]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert found.splitlines()[-1] == "[]"


def test_check_loads_nothing_heavy() -> None:
    program = (
        "import sys; from pathlib import Path; from nesyc.pipeline import check_spec\n"
        "check_spec(Path(sys.argv[1])); check_spec(Path(sys.argv[1]))\n"
        "print(sorted({'torch', 'lightning', 'transformers', 'sqlite3', 'lark'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(SAMPLES / "kinship" / "kinship.nesy")]
    subprocess.run(command, check=True, capture_output=True)  # fills the cache of tables
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
