"""What the parsing tests share: the sample specs."""

from __future__ import annotations

from pathlib import Path

import pytest

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SAMPLE_FILES = ("kinship/kinship.nesy", "kinship/rules/learned.nesy", "methods.nesy")


@pytest.fixture(params=SAMPLE_FILES)
def sample(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The name and the text of a sample spec."""
    return request.param, (SAMPLES / request.param).read_text(encoding="utf-8")


@pytest.fixture
def sample_text() -> str:
    """The text of kinship.nesy, the sample with one of everything."""
    return (SAMPLES / SAMPLE_FILES[0]).read_text(encoding="utf-8")
