"""Whatever the program: the checks end in diagnostics, and a program without errors compiles. Never a traceback."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nesyc.diagnostics import render_text, to_json
from nesyc.diagnostics.codes import CODES
from nesyc.diagnostics.sarif import to_sarif
from nesyc.emit.build import emit_build
from nesyc.parsing.paths import shipped_specs
from nesyc.pipeline import check_spec
from tests.fuzz import rounds

ROOT = Path(__file__).resolve().parents[2]
FILES = [
    *(ROOT / "tests" / "checks" / "fixtures").glob("*.nesy"),
    ROOT / "tests" / "samples" / "kinship" / "kinship.nesy",
    ROOT / "tests" / "samples" / "methods.nesy",
    shipped_specs() / "quickstart.nesy",
    shipped_specs() / "bbh" / "method.nesy",
    *(shipped_specs() / "methods").glob("*.nesy"),
]
PROGRAMS = [path.read_text(encoding="utf-8") for path in sorted(FILES)]
TOKEN = re.compile(r'"(?:[^"\\\n]|\\.)*"|\w+|[^\w\s]')
WORDS = sorted({word for text in PROGRAMS for word in TOKEN.findall(text)})


def mutated(chance: random.Random, text: str, changes: int) -> str:
    """Tokens left out, repeated, moved, or taken from any other program: mostly it still parses."""
    for _ in range(changes):
        tokens = list(TOKEN.finditer(text))
        if not tokens:
            return text
        place = chance.choice(tokens)
        other = chance.choice([chance.choice(tokens)[0], chance.choice(tokens)[0], chance.choice(WORDS), ""])
        kept = place[0] + " " if chance.random() < 0.1 else ""
        text = text[: place.start()] + kept + other + text[place.end() :]
    return text


@pytest.mark.fuzz
@rounds(60, 10_000)
@given(chance=st.randoms(use_true_random=False), text=st.sampled_from(PROGRAMS), changes=st.integers(1, 5))
def test_a_mutated_program_gives_diagnostics_or_a_build(
    chance: random.Random, text: str, changes: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spec = tmp_path_factory.getbasetemp() / "mutated.nesy"
    spec.write_text(mutated(chance, text, changes), encoding="utf-8")
    checked = check_spec(spec)
    sources = checked.loaded.sources
    for found in checked.diagnostics:
        assert found.code in CODES
        assert 0 <= found.span.start <= found.span.end <= len(checked.loaded.texts.get(found.span.file, ""))
    render_text(checked.diagnostics, sources)
    to_json(checked.diagnostics, sources)
    to_sarif(checked.diagnostics, sources, "0")
    if checked.spec is not None:
        emit_build(checked.spec)
