"""Whatever is done to a spec: checking, lowering, emitting and formatting it end without an exception."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.diagnostics import render_text, to_json
from nesyc.emit.build import emit_build
from nesyc.pipeline import check_spec
from tests.conftest import ROOT
from tests.format.same import assert_kept
from tests.fuzz import hang_is_failure, rounds
from tests.parsing.conftest import SAMPLE_FILES, SAMPLES
from tests.parsing.generate import dressed, mutated, programs

SPECS = [
    *(SAMPLES / name for name in SAMPLE_FILES),
    *sorted((ROOT / "specs").rglob("*.nesy")),
    *sorted((ROOT / "tests" / "checks" / "fixtures").glob("*.nesy")),
]
TEXTS = {path: path.read_text(encoding="utf-8") for path in SPECS}
BIG = SAMPLES / SAMPLE_FILES[0]


def _sound(path: Path, text: str) -> None:
    """The text in place of the file, so that what it includes and loads is there."""
    with hang_is_failure():
        checked = check_spec(path, unsaved={path: text})
        sources = checked.loaded.sources
        render_text(checked.diagnostics, sources).encode()
        to_json(checked.diagnostics, sources)
        assert (checked.spec is None) == any(found.severity == "error" for found in checked.diagnostics)
        if checked.spec is not None:
            emit_build(checked.spec)
        assert_kept(text)


@pytest.mark.fuzz
@pytest.mark.parametrize("part", range(4))  # as many processes can share the work
@rounds(25, 5_000)
@given(st.data())
def test_mutated_specs(part: int, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([BIG, *SPECS] if part else [BIG]))
    _sound(path, data.draw(mutated([TEXTS[path]])))


@pytest.mark.fuzz
@rounds(60, 3_000)
@given(dressed(programs()))
def test_programs_made_from_the_grammar(text: str) -> None:
    _sound(BIG, text)
