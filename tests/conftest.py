"""What all tests share: golden files, the real data sets where a checkout has them, and the long runs' switch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is: speed is measured in bench/.
settings.register_profile("nesyc", deadline=None)
settings.load_profile("nesyc")

ROOT = Path(__file__).resolve().parent.parent

# Modules whose tests together take long: property tests, processes, trainings. `make quick` leaves them out.
LONG = (
    "checks/test_any_program.py",
    "format/test_properties.py",
    "kb/conformance",
    "kb/test_change.py",
    "kb/test_engines.py",
    "kb/test_metamorphic.py",
    "kb/test_random_programs.py",
    "kb/test_real_graphs.py",
    "kb/test_semantics.py",
    "kb/test_whynot.py",
    "learning",
    "emit_python",
    "methods/test_formulas.py",
    "server",
    "stages/test_kill.py",
    "stages/test_torch_run.py",
    "teachers/test_teacher_server.py",
    "watch",
    "workspace/test_parse_again.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of LONG modules as slow."""
    tests = ROOT / "tests"
    long = [tests / name for name in LONG]
    for item in items:
        if any(item.path == place or item.path.is_relative_to(place) for place in long):
            item.add_marker(pytest.mark.slow)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write golden files from what the code gives now"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(path, text)`: `text` equals the file's, or becomes it under `--update-golden`."""

    def compare(path: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        assert path.is_file(), (
            f"no golden file {path.name}: run pytest --update-golden and read what it writes"
        )
        assert text == path.read_text(encoding="utf-8")

    return compare


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are written instead of compared."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The real data sets: $NESY_DATA, else `../shared/data` beside the checkout; skips where there are none."""
    folder = Path(os.environ.get("NESY_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "bbh").is_dir():
        pytest.skip(f"no real data at {folder}: set NESY_DATA to the folder that holds bbh/, gsm8k/, kg/")
    return folder
