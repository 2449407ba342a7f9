"""What people install: an sdist, the wheel made from it, and that wheel in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # `build` without a target makes the sdist first and then the wheel out of that sdist.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, cwd=ROOT)
    assert list(out.glob("*.tar.gz"))
    (built,) = out.glob("*.whl")
    return built


def test_installed_wheel_checks_a_shipped_spec(wheel: Path, tmp_path: Path) -> None:
    """The compiler alone installs light, and carries its grammar and specs."""
    home = tmp_path / "env"
    venv.create(home, with_pip=True)
    python = home / "bin" / "python"
    run(
        python,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--constraint",
        ROOT / "constraints.txt",
        wheel,
        cwd=tmp_path,
    )
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).lower()
    assert "torch" not in installed
    assert "transformers" not in installed
    specs = Path(
        run(
            python,
            "-c",
            "import nesyc, pathlib; print(pathlib.Path(nesyc.__file__).parent / 'specs')",
            cwd=tmp_path,
        ).strip()
    )
    assert (specs.parent / "grammar" / "nesy.lark").is_file()
    run(home / "bin" / "nesyc", "check", specs / "quickstart.nesy", cwd=tmp_path)
    run(home / "bin" / "nesyc", "--version", cwd=tmp_path)
    own = tmp_path / "own.nesy"
    own.write_text('nesy 1\ninclude "@nesyc/methods/all.nesy"\n')
    run(home / "bin" / "nesyc", "check", own, cwd=tmp_path)
    run(home / "bin" / "nesyc", "init", "first", "--template", "distil", cwd=tmp_path)
    run(home / "bin" / "nesyc", "check", cwd=tmp_path / "first")
