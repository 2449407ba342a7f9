"""A copy of the kinship sample to type into, and an editor that has it open."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.client import Editor, editor

SAMPLE = Path(__file__).resolve().parent.parent / "samples" / "kinship"


@pytest.fixture
def kinship(tmp_path: Path) -> Path:
    """A folder with the sample and a project file, so that it is a project wherever it lies."""
    folder = tmp_path / "kinship"
    shutil.copytree(SAMPLE, folder)
    (folder / "nesyc.yaml").write_text("spec: kinship.nesy\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Editor, str, Path]]:
    """One editor with the sample open, for tests that change nothing: (editor, URI, folder)."""
    folder = tmp_path_factory.mktemp("shared") / "kinship"
    shutil.copytree(SAMPLE, folder)
    (folder / "nesyc.yaml").write_text("spec: kinship.nesy\n", encoding="utf-8")
    with editor(folder) as one:
        name = one.open(folder / "kinship.nesy")
        assert one.problems(name) == []
        yield one, name, folder
